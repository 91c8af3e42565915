/*
 * The freeze protocol (freeze.c), for spin: two sectors, and what the process
 * remembers, what the kernel has, and what the disk has of the image and of
 * each part of the shadow.  Between any two steps the kernel may bring any of
 * it to the disk, in any order; the process may be killed; the power may go.
 *
 * A sector's content is the number of the write or trim that made it, so that
 * newer is greater.  What is checked:
 *
 * 1. After a kill a sector has what was answered last, or something newer.
 * 2. After a power cut it has what a flush has covered; what was answered and
 *    on the disk for as long as the timer takes (twice: it may just have been
 *    missed); or something newer.
 * 3. While frozen the image stands still, with all that was answered.
 * 4. In the end, as nothing goes on for ever (pan -l finds no cycle): a freeze
 *    that was asked for has come, unless it was killed before; a merge has
 *    ended; and the image alone has what was answered last.
 *
 * With one of these the protocol is another, and spin must find what it loses:
 *
 *	NOTIMER	the hard map follows only when somebody flushes
 *	EARLY	the hard map is written before the data are synced
 *	BELIEVED	the soft map is believed after a power cut
 *	UNSYNCED	the shadow is given up before the image has been synced
 */
#ifndef WRITES
#define WRITES	3
#endif
#ifndef FLUSHES
#define FLUSHES	1
#endif
#ifndef KILLS
#define KILLS	1
#endif
#ifndef CUTS
#define CUTS	1
#endif
#ifndef FREEZES
#define FREEZES	1
#endif

/* How far it is; what the header says. */
#define None	0
#define Preparing	1
#define Stopping	2
#define Committing	3
#define Frozen	4
#define Thawing	5
#define Merging	6
#define Ending	7
#define Removing	8
#define Dead	9

#define Hfrozen	1
#define Hmerging	2
#define Hmerged	3

/* What the kernel has; with d, what the disk has. */
typedef Store {
	byte image[2];
	byte shadow[2];
	bit soft[2];
	bit hard[2];
	byte head;
	bit boot;		/* the header was written by this system */
	bit name		/* the shadow has its name */
};
Store k, d;

/* What the process remembers. */
byte st, job;			/* job: its next step */
bit map[2], unhard[2];
byte wpc, wno, wlo, whi;	/* a write or trim: its next step, its number, its sectors */
bit whome;			/* it goes to the shadow */
byte mpc, msec;			/* a move */
byte ypc;			/* a sync: its next step, */
bit snap[2], snapped[2];	/* and the words that it makes hard */
byte flush;			/* 1 waits for a sync, 2 is covered by the one under way */
bit owed;			/* the timer has gone off */

/* What was promised. */
byte issued, answered[2], after[2];	/* after: to survive a power cut */
byte old[2];			/* on the disk at the last tick */
byte need[2];			/* a flush's */
byte still[2];			/* the image as it was frozen */
bit cut;			/* the last death was a power cut */
bit asked;			/* for a freeze */
byte flushes, kills, cuts, freezes;

#define shadowed	(st == Frozen || st == Thawing || st == Merging || st == Ending)
#define home	(st == Frozen || st == Thawing)
#define isstill	(st == Frozen || st == Thawing)
#define within(s)	(wlo <= (s) && (s) <= whi)
#define dead	(st == Dead)
#define clean(s)	(k.image[s] == d.image[s] && k.shadow[s] == d.shadow[s])

inline raise(floor, to)
{
	if
	:: floor < to -> floor = to
	:: else
	fi
}

inline fsyncimage()
{
	if
	:: cuts < CUTS -> d.image[0] = k.image[0]; d.image[1] = k.image[1]
	:: else
	fi
}

inline fsyncshadow()
{
	if
	:: cuts < CUTS ->
		d.shadow[0] = k.shadow[0]; d.shadow[1] = k.shadow[1];
#ifdef BELIEVED
		d.soft[0] = k.soft[0]; d.soft[1] = k.soft[1];
#endif
		d.hard[0] = k.hard[0]; d.hard[1] = k.hard[1];
		d.head = k.head; d.boot = k.boot
	:: else
	fi
}

/* A new shadow, or none. */
inline nothing()
{
	k.shadow[0] = 0; k.shadow[1] = 0; k.soft[0] = 0; k.soft[1] = 0; k.hard[0] = 0; k.hard[1] = 0;
	k.head = 0; k.boot = 0;
	fsyncshadow()
}

#define header(what)	k.head = what; k.boot = 1

inline forget()
{
	map[0] = 0; map[1] = 0; unhard[0] = 0; unhard[1] = 0;
	job = 0; wpc = 0; mpc = 0; ypc = 0; flush = 0; owed = 0;
	snapped[0] = 0; snapped[1] = 0; snap[0] = 0; snap[1] = 0;
	wlo = 0; whi = 0; whome = 0; wno = 0; msec = 0
}

/* What the next life finds. */
#define content(s)	(map[s] -> k.shadow[s] : k.image[s])
inline found(s)
{
	if
	:: cut -> assert(content(s) >= after[s]); after[s] = content(s); old[s] = content(s)
	:: else -> assert(content(s) >= answered[s])
	fi;
	answered[s] = content(s)
}

inline alive()
{
	found(0);
	found(1);
	cut = 0;
	if
	:: cuts == CUTS ->
		after[0] = 0; after[1] = 0; old[0] = 0; old[1] = 0;
		d.image[0] = 0; d.image[1] = 0; d.shadow[0] = 0; d.shadow[1] = 0;
		d.hard[0] = 0; d.hard[1] = 0; d.head = 0; d.boot = 0
	:: else
	fi
}

inline promised()
{
	raise(after[0], need[0]);
	raise(after[1], need[1]);
	flush = 0
}

#define body	d_step

active proctype world()
{
	do
	/* The kernel brings something to the disk.  It matters while the power may go. */
	:: body{ cuts < CUTS && k.image[0] != d.image[0] -> d.image[0] = k.image[0] }
	:: body{ cuts < CUTS && k.image[1] != d.image[1] -> d.image[1] = k.image[1] }
	:: body{ cuts < CUTS && k.shadow[0] != d.shadow[0] -> d.shadow[0] = k.shadow[0] }
	:: body{ cuts < CUTS && k.shadow[1] != d.shadow[1] -> d.shadow[1] = k.shadow[1] }
#ifdef BELIEVED
	/* Else nobody reads what the disk has of the soft map. */
	:: body{ cuts < CUTS && k.soft[0] != d.soft[0] -> d.soft[0] = k.soft[0] }
	:: body{ cuts < CUTS && k.soft[1] != d.soft[1] -> d.soft[1] = k.soft[1] }
#endif
	:: body{ cuts < CUTS && k.hard[0] != d.hard[0] -> d.hard[0] = k.hard[0] }
	:: body{ cuts < CUTS && k.hard[1] != d.hard[1] -> d.hard[1] = k.hard[1] }
	:: body{ cuts < CUTS && (k.head != d.head || k.boot != d.boot) -> d.head = k.head; d.boot = k.boot }
	:: body{ cuts < CUTS && k.name != d.name -> d.name = k.name }

	/* A write of one sector, or a trim of both. */
	:: body{ !dead && wpc == 0 && issued < WRITES && st != Stopping && st != Committing && !(mpc > 0 && msec == 0) ->
		issued++; wno = issued; wlo = 0; whi = 0; wpc = 1 }
	:: body{ !dead && wpc == 0 && issued < WRITES && st != Stopping && st != Committing && !(mpc > 0 && msec == 1) ->
		issued++; wno = issued; wlo = 1; whi = 1; wpc = 1 }
	:: body{ !dead && wpc == 0 && issued < WRITES && st != Stopping && st != Committing && mpc == 0 ->
		issued++; wno = issued; wlo = 0; whi = 1; wpc = 1 }
	/* Held, if writes have been stopped meanwhile. */
	:: body{ wpc == 1 && st != Stopping && st != Committing -> whome = home; wpc = 2 }
	:: body{ wpc == 2 && !whome ->
		assert(!isstill);
		if :: within(0) -> k.image[0] = wno :: else fi;
		if :: within(1) -> k.image[1] = wno :: else fi;
		wpc = 3 }
	:: body{ wpc == 2 && whome ->
		if :: within(0) -> k.shadow[0] = wno :: else fi;
		if :: within(1) -> k.shadow[1] = wno :: else fi;
		wpc = 3 }
	:: body{ wpc == 3 ->
		if :: shadowed && within(0) && map[0] != whome -> map[0] = whome; unhard[0] = 1 :: else fi;
		if :: shadowed && within(1) && map[1] != whome -> map[1] = whome; unhard[1] = 1 :: else fi;
		wpc = 4 }
	:: body{ wpc == 4 ->
		if :: shadowed && within(0) -> k.soft[0] = map[0] :: else fi;
		if :: shadowed && within(1) -> k.soft[1] = map[1] :: else fi;
		wpc = 5 }
	:: body{ wpc == 5 ->
		if :: within(0) -> answered[0] = wno :: else fi;
		if :: within(1) -> answered[1] = wno :: else fi;
		wpc = 0; wno = 0; wlo = 0; whi = 0; whome = 0 }

	/* A flush, and the sync that it asks for or the timer. */
	:: body{ !dead && flush == 0 && flushes < FLUSHES && cuts < CUTS ->
		flushes++; flush = 1; need[0] = answered[0]; need[1] = answered[1] }
	:: body{ flush == 1 && !dead && !shadowed && (job < 10 || job >= 40) -> fsyncimage(); promised() }
	:: body{ shadowed && job == 0 && ypc == 0 && (flush == 1 || owed) ->
		snap[0] = map[0]; snap[1] = map[1]; snapped[0] = unhard[0]; snapped[1] = unhard[1];
		unhard[0] = 0; unhard[1] = 0; owed = 0; flush = (flush == 1 -> 2 : 0); ypc = 1 }
#ifdef EARLY
#define Y1 3
#define Y2 4
#define Y3 1
#define Y4 2
#else
#define Y1 1
#define Y2 2
#define Y3 3
#define Y4 4
#endif
	:: body{ ypc == Y1 -> fsyncimage(); ypc++ }
	:: body{ ypc == Y2 -> fsyncshadow(); ypc++ }
	:: body{ ypc == Y3 -> k.hard[0] = (snapped[0] -> snap[0] : k.hard[0]); ypc++ }
	:: body{ ypc == Y4 -> k.hard[1] = (snapped[1] -> snap[1] : k.hard[1]); ypc++ }
	:: body{ ypc == 5 -> fsyncshadow(); ypc = 6 }
	:: body{ ypc == 6 ->
		if :: flush == 2 -> promised() :: else fi;
		snapped[0] = 0; snapped[1] = 0; snap[0] = 0; snap[1] = 0; ypc = 0 }

	/*
	 * Some seconds pass; what a sync or job takes is nothing beside them.
	 * Only if they make a difference, lest time go on for ever.
	 */
	:: body{ !dead && !owed && ypc == 0 && job == 0 && cuts < CUTS && (after[0] < old[0] || after[1] < old[1]
			|| (clean(0) && old[0] < answered[0]) || (clean(1) && old[1] < answered[1])
#ifndef NOTIMER
			|| unhard[0] || unhard[1]
#endif
			) ->
		raise(after[0], old[0]); raise(after[1], old[1]);
		if :: clean(0) -> raise(old[0], answered[0]) :: else fi;
		if :: clean(1) -> raise(old[1], answered[1]) :: else fi;
#ifndef NOTIMER
		owed = unhard[0] || unhard[1];
#endif
		skip }

	/* Freeze: make a shadow, */
	:: body{ st == None && job == 0 && freezes < FREEZES -> freezes++; asked = 1; st = Preparing; job = 1 }
	:: body{ job == 1 -> fsyncimage(); job = 2 }
	:: body{ job == 2 ->
		nothing(); header(Hfrozen); fsyncshadow(); st = Stopping; job = 3 }
	/* and when no write is under way give it its name. */
	:: body{ job == 3 && wpc < 2 -> st = Committing; job = 10 }
	:: body{ job == 10 -> fsyncimage(); job = 11 }
	:: body{ job == 11 -> k.name = 1; job = 12 }
	:: body{ job == 12 ->
		d.name = k.name; st = Frozen; job = 0; asked = 0;
		still[0] = k.image[0]; still[1] = k.image[1];
		assert(still[0] >= answered[0] && still[1] >= answered[1]) }

	/* Unfreeze. */
	:: body{ st == Frozen && job == 0 && ypc == 0 ->
		assert(k.image[0] == still[0] && k.image[1] == still[1]);
		still[0] = 0; still[1] = 0; st = Thawing; job = 20 }
	:: body{ job == 20 -> header(Hmerging); job = 21 }
	:: body{ job == 21 -> fsyncshadow(); st = Merging; job = 0 }

	/* Move a sector that nobody writes to. */
	:: body{ st == Merging && mpc == 0 && map[0] && !(wpc > 0 && within(0)) -> msec = 0; mpc = 1 }
	:: body{ st == Merging && mpc == 0 && map[1] && !(wpc > 0 && within(1)) -> msec = 1; mpc = 1 }
	:: body{ mpc == 1 -> k.image[msec] = k.shadow[msec]; mpc = 2 }
	:: body{ mpc == 2 -> map[msec] = 0; unhard[msec] = 1; mpc = 3 }
	:: body{ mpc == 3 -> k.soft[msec] = 0; mpc = 0; msec = 0 }

	/* All has been moved: the shadow is of no use, and goes. */
	:: body{ st == Merging && job == 0 && ypc == 0 && mpc == 0 && !map[0] && !map[1] && (wpc < 2 || !whome) && wpc != 4 ->
		st = Ending; job = 30 }
#ifdef UNSYNCED
	:: body{ job == 30 -> job = 31 }
#else
	:: body{ job == 30 -> fsyncimage(); job = 31 }
#endif
	:: body{ job == 31 -> header(Hmerged); job = 32 }
	:: body{ job == 32 -> fsyncshadow(); st = Removing; job = 40; unhard[0] = 0; unhard[1] = 0; owed = 0 }
	:: body{ job == 40 -> k.name = 0; job = 41 }
	:: body{ job == 41 -> d.name = 0; nothing(); st = None; job = 0 }

	/* Death, */
	:: body{ !dead && kills < KILLS -> kills++; st = Dead; asked = 0; forget() }
	:: body{ !dead && cuts < CUTS ->
		cuts++; st = Dead; cut = 1; asked = 0; forget();
		k.image[0] = d.image[0]; k.image[1] = d.image[1];
		k.shadow[0] = d.shadow[0]; k.shadow[1] = d.shadow[1];
#ifdef BELIEVED
		k.soft[0] = d.soft[0]; k.soft[1] = d.soft[1];
#endif
		k.hard[0] = d.hard[0]; k.hard[1] = d.hard[1];
		k.head = d.head; k.name = d.name;
#ifdef BELIEVED
		k.boot = d.boot
#else
		k.boot = 0; d.boot = 0
#endif
		}
	/* and the next life. */
	:: body{ dead && job == 0 -> d.name = k.name; job = 50 }
	:: body{ dead && job == 50 && !k.name -> st = None; job = 0; alive() }
	:: body{ dead && job == 50 && k.name && k.head == Hmerged -> st = Removing; job = 40; alive() }
	:: body{ dead && job == 50 && k.name && k.head != Hmerged ->
		assert(k.head != 0);
		if :: !k.boot -> k.soft[0] = k.hard[0]; k.soft[1] = k.hard[1] :: else fi;
		job = 51 }
	:: body{ dead && job == 51 ->
		header(k.head);
		map[0] = k.soft[0]; map[1] = k.soft[1];
		unhard[0] = (k.soft[0] != k.hard[0]); unhard[1] = (k.soft[1] != k.hard[1]);
		alive();
		job = 0;
#ifndef NOTIMER
		owed = 1;	/* the last life may have left words of the hard map that no sync has covered */
#endif
		if
		:: k.head == Hfrozen -> st = Frozen; still[0] = k.image[0]; still[1] = k.image[1]
		:: else -> st = Merging
		fi }

	/* Nothing is left to be done. */
	:: else -> break
	od;
	assert(st == None && job == 0 && wpc == 0 && flush == 0 && !k.name && !asked);
	assert(k.image[0] == answered[0] && k.image[1] == answered[1])
}
