/*
 * Feature switches, sizes derived from tuneup.h, and checks that they fit
 * together.
 *
 * The switches are 0 or 1, if nothing else is said.  Like the numbers of
 * tuneup.h they can be set on make's command line:
 *
 * PACKET_RINGS	frames pass through memory shared with the kernel (Linux
 *		PACKET_RX_RING and PACKET_TX_RING).  With 0, and wherever
 *		the kernel refuses the rings, they pass through recvmmsg
 *		and sendmmsg, at about half the speed.
 *
 * WINDOW	pages of the image that are in the page cache are copied from a
 *		mapping.  With 0, and where there is no mapping, they are read by
 *		system calls.
 *
 * SANDBOX	once everything is open, the process is limited to what it needs,
 *		by all means that the system has.  With 2 it ends when it tries
 *		anything else, for tests.  With 0 there is no sandbox, which
 *		sanitizers and coverage need.
 */
#include "tuneup.h"

#ifndef SANDBOX
#define SANDBOX 1
#endif

#ifndef WINDOW
#define WINDOW 1
#endif

#ifndef PACKET_RINGS
#define PACKET_RINGS 1
#endif

#define VERSION "1.0"

enum {
	Sector		= 512,			/* bytes; an AoE sector is always this */
#ifdef MAX_NICS
	Nicsmax		= MAX_NICS,
#else
	Nicsmax		= 1 << 30,		/* no limit */
#endif
	Etherhdr	= 14,			/* bytes before what the MTU counts */
	/* offset of a frame in its slot: its data is aligned to sectors, for direct I/O */
	Frameoff	= Sector - 36,
	Framemax	= Etherhdr + MAX_MTU,
	/* bytes; a frame with a sector of data must fit */
	Minmtu		= 36 + Sector - Etherhdr,
	Queuemax	= 64,			/* requests that buf.c begins together at most */
	/* requests that join into one transfer and are answered together */
	Runmax		= 32,
	/* bytes of the largest disk block that buf.c writes in parts */
	Blockmax	= 4096,
	/* bytes for the blocks at both ends of a write, and for their present content */
	Edges		= 4 * Blockmax,
	/* bytes of a request's own space, which holds all its data */
	Spacesize	= (MAX_MTU + 4095) / 4096 * 4096 + Edges,
	Slotmax		= (Frameoff + Framemax + Sector - 1) / Sector * Sector,
};

/* frames in a receive ring for this buffer count */
#define RX_FRAMES(bufcnt) ((uint)((bufcnt) > RX_MOST ? (bufcnt) \
	: (bufcnt) > RX_MOST / RX_FACTOR ? RX_MOST : (bufcnt) * RX_FACTOR) + TURN_FRAMES)

_Static_assert(BUFCNT >= 2 && BUFCNT <= 65535, "BUFCNT travels in 16 bits, and Linux needs 2");
_Static_assert(RX_FACTOR >= 1 && RX_MOST >= RX_FACTOR, "a receive ring holds the buffer count");
_Static_assert(TURN_FRAMES >= 1 && TURN_FRAMES <= 1024, "TURN_FRAMES must be sensible");
_Static_assert(CROWD >= 1 && CROWD <= 32768, "CROWD must be sensible");
_Static_assert(INITIATORS >= 1 && INITIATORS <= 65536, "INITIATORS must be sensible");
_Static_assert(ADVERTISE_S >= 0 && ADVERTISE_S <= 86400, "see tuneup.h");
_Static_assert(SPIN_US >= 0 && ENGINE_THREADS >= 1 && RESIDENT_MS >= 1 && SLOW_MS >= 1
	&& POOL_MIB >= 1 && FLUSH_MS >= 1 && STATE_MS >= 1 && HARDEN_MS >= 1, "see tuneup.h");
_Static_assert(TX_SLOTS >= 2 * TURN_FRAMES, "a turn's replies fit beside those on their way");
_Static_assert(MAX_MTU >= Minmtu && MAX_MTU <= 65535, "MAX_MTU must carry a sector");
_Static_assert(RING_BLOCK >= Slotmax && RING_BLOCK % 4096 == 0, "a ring block holds whole slots");
_Static_assert(LOG_RATE >= 1, "LOG_RATE must let something through");
