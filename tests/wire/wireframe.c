/*
 * Tests of frames as such, and of commands 1 to 3: config, mask list and
 * reservation.
 */
#include <stdio.h>
#include <string.h>
#include "initiator.h"
#include "wire.h"

#define NELEM(x) (sizeof(x) / sizeof(x)[0])

enum {
	Macs = 256,
};

/*
 * Frames.
 */

/* The four commands, each as a harmless request of its least length. */
static void
least(Frame *q, int cmd)
{
	switch(cmd){
	case Cata:
		cmdframe(q, 0xE5, 0, 0, 0, NULL, 0);
		break;
	case Cconfig:
		cfgframe(q, Qread, NULL, 0);
		break;
	case Cmask:
		mkmask(q, &net, &t, Mread, net.tag++);
		break;
	case Creserve:
		mkreserve(q, &net, &t, Rread, NULL, 0, net.tag++);
		break;
	}
}

/* The whole answer to what least made, when nothing is set or reserved. */
static int
leastis(const Frame *q)
{
	Frame f, want;

	if(q->b[Ocmd] == Cconfig)
		return configis(q, 0, NULL, 0);
	if(!ask(q, &f))
		return 0;
	if(q->b[Ocmd] == Cata){
		atareply(&want, q);
		want.b[Ocount] = 0xFF;
	}else{
		reply(&want, q);
		addn(&want, q->b + Oarg, (q->b[Ocmd] == Cmask ? Omdir : Ormac) - Oarg);
	}
	return same(&want, &f);
}

static void
headers(void)
{
	static const uint32_t tag[] = { 0, 1, 0xFFFFFFFF, 0x80000000, 0x12345678, 0xCAFE0000 };
	static const char *name[] = { "ATA", "config", "mask list", "reserve" };
	Frame q;
	size_t k;
	int cmd, good;

	for(cmd = 0; cmd < 4; cmd++){
		least(&q, cmd);
		test(leastis(&q),
			"%s: an unpadded request of %zu bytes gets an answer right in every byte", name[cmd], q.n);
		pad(&q, Ethermin);
		good = leastis(&q);
		pad(&q, (size_t)net.mtu + 14);
		test(good && leastis(&q), "%s: padding up to the MTU changes nothing", name[cmd]);
		for(good = 1, k = 0; k < NELEM(tag) && good; k++){
			least(&q, cmd);
			put32(q.b + Otag, tag[k]);
			good = leastis(&q);
		}
		test(good, "%s: the tag is copied, whatever it is", name[cmd]);
		for(good = 1, k = 0; k < 8 && good; k++){
			least(&q, cmd);
			setaddr(&q, k & 1 ? Allshelves : t.shelf, k & 2 ? Allslots : t.slot);
			if(k & 4)
				setdst(&q, broadcast);
			good = leastis(&q);
		}
		test(good,
			"%s: wildcards and broadcast are answered from shelf, slot and MAC of the target", name[cmd]);
		for(good = 1, k = 0; k < 4 && good; k++){
			least(&q, cmd);
			q.b[Over] = (uint8_t)(Version | k);
			good = leastis(&q);
		}
		test(good, "%s: unknown low flag bits are ignored", name[cmd]);
	}
}

static void
fromothers(void)
{
	uint8_t mac[6];
	Frame q;
	int cmd, good;

	mkmac(mac, 77);
	for(good = 1, cmd = 0; cmd < 4 && good; cmd++){
		least(&q, cmd);
		setsrc(&q, mac);
		good = leastis(&q);
	}
	test(good, "the answer goes to the MAC that asked");
}

/* Change each of the four requests and expect that none is answered. */
static void
unanswered(void (*change)(Frame*), const char *name)
{
	Frame q;
	int cmd, good;

	for(good = 1, cmd = 0; cmd < 4 && good; cmd++){
		least(&q, cmd);
		change(&q);
		good = silent(&q) || why("command %d", cmd);
		if(good && cmd == Cata){
			cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
			change(&q);
			good = silent(&q) || why("IDENTIFY");
		}
	}
	test(good, "%s: no answer", name);
}

static void response(Frame *q) { q->b[Over] |= Fresp; }
static void errresponse(Frame *q) { q->b[Over] |= Fresp | Ferror; }
static void othershelf(Frame *q) { setaddr(q, t.shelf + 1, t.slot); }
static void swapped(Frame *q) { setaddr(q, (t.shelf << 8 | t.shelf >> 8) & 0xFFFF, t.slot); }
static void shelfhalf(Frame *q) { setaddr(q, t.shelf | 0xFF00, t.slot); }
static void otherslot(Frame *q) { setaddr(q, t.shelf, t.slot + 1); }
static void anyshelf(Frame *q) { setaddr(q, Allshelves, t.slot + 1); }
static void anyslot(Frame *q) { setaddr(q, t.shelf + 1, Allslots); }
static void otherdst(Frame *q) { q->b[Odst + 5] ^= 1; }
static void groupdst(Frame *q) { setdst(q, (const uint8_t[6]){ 0x01, 0x00, 0x5E, 0, 0, 1 }); }
static void groupsrc(Frame *q) { q->b[Osrc] |= 1; }
static void broadsrc(Frame *q) { setsrc(q, broadcast); }
static void othertype(Frame *q) { put16(q->b + Otype, 0x88A3); }
static void swappedtype(Frame *q) { put16(q->b + Otype, 0xA288); }

static void
tagged(Frame *q)
{
	memmove(q->b + Otype + 4, q->b + Otype, q->n - Otype);
	put16(q->b + Otype, 0x8100);
	put16(q->b + Otype + 2, 5);
	q->n += 4;
}

static void
dropped(void)
{
	unanswered(response, "R set");
	unanswered(errresponse, "R and E set");
	unanswered(othershelf, "another shelf");
	unanswered(swapped, "the shelf in the wrong byte order");
	unanswered(shelfhalf, "half a wildcard as shelf");
	unanswered(otherslot, "another slot");
	unanswered(anyshelf, "every shelf but another slot");
	unanswered(anyslot, "every slot but another shelf");
	unanswered(otherdst, "another host's MAC on a promiscuous interface");
	unanswered(groupdst, "a multicast destination");
	unanswered(groupsrc, "a group address as source");
	unanswered(broadsrc, "broadcast as source");
	unanswered(othertype, "another Ethernet type");
	unanswered(swappedtype, "the Ethernet type in the wrong byte order");
	unanswered(tagged, "a VLAN tag");
}

/* With the error, the rest of the frame is the request's own or zero. */
static void
versions(void)
{
	Frame q, f;
	int v, cmd, good;

	for(good = 1, v = 0; v < 16 && good; v++)
		for(cmd = 0; cmd < 4 && v != 1 && good; cmd++){
			least(&q, cmd);
			q.b[Over] = (uint8_t)(v << 4);
			if(cmd != Cconfig && cmd != Creserve){
				good = refused(&q, Eversion);
				continue;
			}
			good = ask(&q, &f) && refusal(&q, &f, Eversion);
		}
	test(good, "every version but 1 gets AoE error 5");
}

static void
commands(void)
{
	Frame q;
	int cmd, good;

	for(good = 1, cmd = 4; cmd < 256 && good; cmd++){
		if(cmd == 0x23)
			continue;
		mkframe(&q, &net, t.mac, t.shelf, t.slot, cmd, net.tag++);
		good = refused(&q, Ebadcmd);
		addzero(&q, 100);
		good = good && (refused(&q, Ebadcmd) || why("command %d", cmd));
	}
	test(good, "every unknown command gets AoE error 1");
}

/*
 * Requests and answers full of 0xEE, to leave a trace in each slot of the
 * target's buffers; then short requests, whose answers must show none of
 * it.
 */
static void
stale(void)
{
	static uint8_t fill[Ethermax];
	Frame q, f;
	int i, good;
	size_t n;

	memset(fill, 0xEE, sizeof fill);
	n = (size_t)served() * Secsize;
	cmdframe(&q, 0x34, 0, served(), 100, fill, n);
	good = ask(&q, &f);
	for(i = 0; i < 2000 && good; i++){
		cmdframe(&q, i & 1 ? 0x24 : 0x25, 0, served(), 100, i & 2 ? fill : NULL,
			i & 2 ? n : 0);
		good = ask(&q, &f);
	}
	for(i = 0; i < 2000 && good; i++){
		if(i % 6 < 4){
			least(&q, i % 6);
			good = leastis(&q);
		}else{
			mkframe(&q, &net, t.mac, t.shelf, t.slot, 99, net.tag++);
			q.b[Over] = i % 6 == 4 ? Version : 0x20;
			good = refused(&q, i % 6 == 4 ? Ebadcmd : Eversion);
		}
	}
	test(good, "answers are padded with zeros, never with bytes of earlier frames");
}

void
framegroup(void)
{
	headers();
	fromothers();
	dropped();
	versions();
	commands();
	stale();
}

/*
 * Config.
 */

static int
force(const void *s, size_t n)
{
	Frame q;

	cfgframe(&q, Qforce, s, n);
	return configis(&q, 0, s, n);
}

static int
stringis(const void *s, size_t n)
{
	Frame q;

	cfgframe(&q, Qread, NULL, 0);
	return configis(&q, 0, s, n);
}

static int
setgives(int ccmd, const void *s, size_t n, int error, const void *now, size_t nnow)
{
	Frame q;

	cfgframe(&q, ccmd, s, n);
	return configis(&q, error, now, nnow) && stringis(now, nnow);
}

static int
quiet(int ccmd, const void *s, size_t n)
{
	Frame q;

	cfgframe(&q, ccmd, s, n);
	return silent(&q);
}

static void
configread(void)
{
	uint8_t junk[1024];
	Frame q;
	int good;

	memset(junk, 0xED, sizeof junk);
	test(stringis(NULL, 0), "a config read gives buffer count %d, %d sectors and the string",
		bufcnt, advertised());
	good = force("abc", 3);
	cfgframe(&q, Qread, junk, sizeof junk);
	put32(q.b + Obufcnt, 0xFFFFFFFF);
	q.b[Oscnt] = 0xFF;
	test(good && configis(&q, 0, "abc", 3), "a config read ignores every field of the request");
	cfgframe(&q, Qread, NULL, 0);
	put16(q.b + Oslen, 0xFFFF);
	good = configis(&q, 0, "abc", 3);
	q.b[Occmd] = Qread;
	test(good && configis(&q, 0, "abc", 3),
		"a config read ignores a length beyond the frame, and its version nibble");
	force(NULL, 0);
}

static void
configtests(void)
{
	int good;

	good = setgives(Qtest, NULL, 0, 0, NULL, 0) && setgives(Qprefix, NULL, 0, 0, NULL, 0);
	test(good, "an empty string is equal to, and a prefix of, the empty string");
	test(quiet(Qtest, "a", 1) && quiet(Qprefix, "a", 1), "no other is");
	good = force("abcdef", 6) && setgives(Qtest, "abcdef", 6, 0, "abcdef", 6);
	test(good, "a test for the string is answered");
	good = quiet(Qtest, "abc", 3) && quiet(Qtest, "abcdeF", 6) && quiet(Qtest, "abcdefg", 7)
		&& quiet(Qtest, NULL, 0);
	test(good, "a test for another is not");
	good = setgives(Qprefix, "abc", 3, 0, "abcdef", 6)
		&& setgives(Qprefix, NULL, 0, 0, "abcdef", 6)
		&& setgives(Qprefix, "abcdef", 6, 0, "abcdef", 6);
	test(good, "a test for a prefix of the string is answered");
	test(quiet(Qprefix, "abd", 3) && quiet(Qprefix, "abcdefg", 7),
		"a test for another prefix is not");
	force(NULL, 0);
}

static void
configsets(void)
{
	uint8_t all[Maxstring], other[Maxstring];
	int i, good;

	for(i = 0; i < Maxstring; i++)
		all[i] = (uint8_t)i;
	memset(other, 0xFF, sizeof other);
	test(setgives(Qset, "one", 3, 0, "one", 3), "set gives an empty string a value");
	test(setgives(Qset, "one", 3, 0, "one", 3), "setting the value it has succeeds");
	good = setgives(Qset, "two", 3, Econfigset, "one", 3)
		&& setgives(Qset, "on", 2, Econfigset, "one", 3)
		&& setgives(Qset, NULL, 0, Econfigset, "one", 3);
	test(good, "setting another value gets AoE error 4 and the current one");
	test(setgives(Qforce, "two", 3, 0, "two", 3), "a force set replaces it");
	good = setgives(Qforce, all, sizeof all, 0, all, sizeof all)
		&& setgives(Qtest, all, sizeof all, 0, all, sizeof all);
	test(good, "a string of 1024 bytes, any bytes, is kept whole");
	test(setgives(Qforce, "x", 1, 0, "x", 1),
		"nothing of a long string is left behind a short one");
	good = setgives(Qforce, other, sizeof other, 0, other, sizeof other)
		&& setgives(Qforce, "a\0b", 4, 0, "a\0b", 4);
	test(good, "NUL is part of a string");
	test(setgives(Qforce, NULL, 0, 0, NULL, 0), "an empty force set clears the string");
	good = setgives(Qset, NULL, 0, 0, NULL, 0) && setgives(Qset, "three", 5, 0, "three", 5);
	test(good, "after which it can be set");
}

static void
configbad(void)
{
	uint8_t junk[Maxstring + 200];
	Frame q;
	int ccmd, n, least, good;

	memset(junk, 't', sizeof junk);
	least = Ostring + padded(0, Ostring, 1);
	for(ccmd = Qtest; ccmd <= Qforce; ccmd++){
		good = force("three", 5);
		for(n = 0; n < 6 && good; n++){
			cfgframe(&q, ccmd, "three", 5);
			pad(&q, (size_t)(least + n));
			q.n = (size_t)(least + n);
			put16(q.b + Oslen, (unsigned)(least - Ostring + n + 1));
			good = configis(&q, Ebadarg, "three", 5);
		}
		cfgframe(&q, ccmd, junk, sizeof junk);
		put16(q.b + Oslen, Maxstring + 1);
		good = good && configis(&q, Ebadarg, "three", 5);
		put16(q.b + Oslen, 0xFFFF);
		good = good && configis(&q, Ebadarg, "three", 5);
		test(good && stringis("three", 5),
			"config command %d: a length over 1024, or beyond the frame, is a bad argument", ccmd);
	}
	for(good = 1, ccmd = 5; ccmd < 16 && good; ccmd++){
		cfgframe(&q, ccmd, "three", 5);
		good = configis(&q, Ebadarg, "three", 5) && stringis("three", 5);
	}
	test(good, "config commands 5 to 15 are bad arguments");
	force(NULL, 0);
}

void
configgroup(void)
{
	configread();
	configtests();
	configsets();
	configbad();
}

/*
 * Lists of MACs, as sets.
 */

static uint8_t macs[Macs][6];	/* the first is our own */

static void
mkmacs(void)
{
	int i;

	memcpy(macs[0], net.mac, 6);
	for(i = 1; i < Macs; i++)
		mkmac(macs[i], i);
}

/* list, of entries that are stride bytes apart, holds macs[from] to macs[to-1]. */
static int
holds(const uint8_t *list, size_t stride, int from, int to)
{
	int i, k;

	for(i = from; i < to; i++){
		for(k = 0; k < to - from && memcmp(list + (size_t)k * stride, macs[i], 6) != 0; k++)
			;
		if(k == to - from)
			return why("%s is not in the list", macstr(macs[i]));
	}
	return 1;
}

/*
 * Mask list.
 */

static void
edit(Frame *q)
{
	mkmask(q, &net, &t, Medit, net.tag++);
}

/* The answer to q is the list of macs[from] to macs[to-1], all of it. */
static int
masksare(const Frame *q, int from, int to)
{
	Frame f, want;
	int i;

	if(!ask(q, &f))
		return 0;
	if(f.n < (size_t)(Omdir + (to - from) * 8))
		return why("%zu bytes, mask error %d, count %d", f.n, f.b[Omerr], f.b[Omcount]);
	reply(&want, q);
	add1(&want, 0);
	add1(&want, q->b[Omcmd]);
	add1(&want, 0);
	add1(&want, (unsigned)(to - from));
	for(i = 0; i < to - from; i++){
		add2(&want, 0);
		addn(&want, f.b + Omdir + i * 8 + 2, 6);
	}
	return same(&want, &f) && holds(f.b + Omdir + 2, 8, from, to);
}

static int
readmasks(int from, int to)
{
	Frame q;

	mkmask(&q, &net, &t, Mread, net.tag++);
	return masksare(&q, from, to);
}

/* q fails with this mask error at this directive, and the list stays. */
static int
maskfails(const Frame *q, int error, int at, int to)
{
	Frame f, want;

	if(!ask(q, &f))
		return 0;
	if(f.n < Omdir)
		return why("%zu bytes", f.n);
	reply(&want, q);
	if(memcmp(want.b, f.b, Oarg) != 0)
		return why("the header is wrong: flags %02x, error %d", f.b[Over], f.b[Oerr]);
	if(f.b[Omerr] != error || f.b[Omcount] != at)
		return why("mask error %d at %d, not %d at %d", f.b[Omerr], f.b[Omcount], error,
			at);
	return readmasks(0, to);
}

static int
edit1(int dir, int i, int from, int to)
{
	Frame q;

	edit(&q);
	adddirective(&q, dir, macs[i]);
	return masksare(&q, from, to);
}

/* Empty the list, whatever it holds. */
static int
nomasks(void)
{
	Frame q, f;
	int i;

	mkmask(&q, &net, &t, Mread, net.tag++);
	if(!ask(&q, &f))
		return 0;
	edit(&q);
	for(i = 0; i < f.b[Omcount]; i++)
		adddirective(&q, Mdel, f.b + Omdir + i * 8 + 2);
	return masksare(&q, 0, 0);
}

/* Another host, macs[i], is or is not served, whatever it asks. */
static int
masked(int i)
{
	Frame q;
	int cmd;

	for(cmd = 0; cmd < 4; cmd++){
		least(&q, cmd);
		setsrc(&q, macs[i]);
		if(!silent(&q))
			return 0;
		setdst(&q, broadcast);
		setaddr(&q, Allshelves, Allslots);
		if(!silent(&q))
			return 0;
	}
	cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
	setsrc(&q, macs[i]);
	if(!silent(&q))
		return 0;
	mkframe(&q, &net, t.mac, t.shelf, t.slot, 99, net.tag++);
	setsrc(&q, macs[i]);
	if(!silent(&q))
		return 0;
	q.b[Over] = 0x20;
	return silent(&q);
}

static int
unmasked(int i)
{
	Frame q;

	least(&q, Cata);
	setsrc(&q, macs[i]);
	return leastis(&q);
}

static void
maskedits(void)
{
	Frame q;
	int i, good;

	test(readmasks(0, 0), "the mask list is empty at first");
	edit(&q);
	for(i = 0; i < 3; i++)
		adddirective(&q, Madd, macs[i]);
	test(masksare(&q, 0, 3) && readmasks(0, 3),
		"three MACs are added in one edit, and all three are there");
	for(good = 1, i = 3; i < 8 && good; i++)
		good = edit1(Madd, i, 0, i + 1);
	test(good, "more are added one by one");
	test(unmasked(7), "a host in the list is served");
	test(masked(8), "a host that is not gets no answer to any command");
	for(good = 1, i = 7; i >= 2 && good; i--)
		good = edit1(Mdel, i, 0, i) && masked(i);
	test(good, "MACs are deleted, down to fewer than six, one by one");
	good = edit1(Madd, 2, 0, 3);
	edit(&q);
	adddirective(&q, Mdel, macs[2]);
	adddirective(&q, Mdel, macs[1]);
	test(good && masksare(&q, 0, 1), "two of three are deleted in one edit");
	edit(&q);
	adddirective(&q, Madd, macs[1]);
	adddirective(&q, Mnone, macs[2]);
	adddirective(&q, Mdel, macs[1]);
	adddirective(&q, Madd, macs[1]);
	test(masksare(&q, 0, 2), "directives apply in order, and directive 0 does nothing");
	good = edit1(Mdel, 1, 0, 1) && edit1(Mdel, 0, 0, 0);
	test(good && unmasked(8), "with the list empty again every host is served");
}

static void
maskbad(void)
{
	Frame q;
	int i, good;

	good = edit1(Madd, 0, 0, 1);
	for(i = 3; i < 256 && good; i++){
		edit(&q);
		adddirective(&q, i, macs[0]);
		good = maskfails(&q, 2, 0, 1);
	}
	edit(&q);
	for(i = 0; i < 4; i++)
		adddirective(&q, Mnone, macs[1]);
	adddirective(&q, 3, macs[1]);
	test(good && maskfails(&q, 2, 4, 1),
		"a bad directive gets mask error 2 and its index, with E clear");
	for(good = 1, i = 2; i < 256 && good; i++){
		mkmask(&q, &net, &t, i, net.tag++);
		adddirective(&q, Mdel, macs[0]);
		good = refused(&q, Ebadarg);
	}
	test(good && readmasks(0, 1), "every mask command but 0 and 1 is a bad argument");
	mkmask(&q, &net, &t, Mread, net.tag++);
	adddirective(&q, Mdel, macs[0]);
	test(masksare(&q, 0, 1) && readmasks(0, 1), "a read of the list ignores directives");
	test(nomasks(), "the list is emptied");
}

static void
maskfull(void)
{
	Frame q;
	int i, max, good;

	max = maxmasks();
	edit(&q);
	for(i = 0; i < max; i++)
		adddirective(&q, Madd, macs[i]);
	test(masksare(&q, 0, max) && readmasks(0, max), "one edit fills the list: %d MACs", max);
	edit(&q);
	adddirective(&q, Madd, macs[max]);
	good = maskfails(&q, 3, 0, max);
	edit(&q);
	adddirective(&q, Mnone, macs[1]);
	adddirective(&q, Mnone, macs[1]);
	adddirective(&q, Madd, macs[max]);
	test(good && maskfails(&q, 3, 2, max), "one more is refused with mask error 3");
	test(masked(max) && unmasked(max - 1), "and not served");
	edit(&q);
	adddirective(&q, Mdel, macs[max - 1]);
	adddirective(&q, Madd, macs[max - 1]);
	test(masksare(&q, 0, max), "in a full list one MAC can take the place of another");
	test(nomasks(), "a full list is emptied by one edit");
}

void
maskgroup(void)
{
	mkmacs();
	maskedits();
	maskbad();
	maskfull();
}

/* The target was given 200 of our macs, and its own idea of what fits. */
void
longmaskgroup(void)
{
	Frame q, f, want;
	int i, n;

	mkmacs();
	n = maxmasks() < 200 ? maxmasks() : 200;
	mkmask(&q, &net, &t, Mread, net.tag++);
	if(ask(&q, &f) && f.n >= Omdir){
		reply(&want, &q);
		add2(&want, 0);
		add2(&want, (unsigned)n);
		addn(&want, f.b + Omdir, f.n - Omdir);
		if(f.n != (size_t)(Omdir + n * 8))
			why("%zu bytes", f.n);
		test(f.n == (size_t)(Omdir + n * 8) && same(&want, &f),
			"a list of 200 MACs is answered as far as it fits: %d", n);
	}else
		test(0, "a list of 200 MACs is answered");
	test(unmasked(1) && unmasked(199), "each of them is served");
	test(masked(200), "others are not");
	for(i = 0; i < n; i++)
		if(f.b[Omdir + i * 8] != 0 || f.b[Omdir + i * 8 + 1] != 0)
			break;
	test(i == n, "each directive of the answer is 0");
}

/*
 * Reservation.
 */

static void
resframe(Frame *q, int rcmd, int from, int to)
{
	mkreserve(q, &net, &t, rcmd, macs + from, to - from, net.tag++);
}

/* The answer to q has this error and the list of macs[from] to macs[to-1]. */
static int
reserved(const Frame *q, int error, int from, int to)
{
	Frame f, want;
	size_t n;

	if(!ask(q, &f))
		return 0;
	n = (size_t)(to - from) * 6;
	if(f.n < Ormac + n)
		return why("%zu bytes, flags %02x, error %d", f.n, f.b[Over], f.b[Oerr]);
	reply(&want, q);
	if(error != 0){
		want.b[Over] |= Ferror;
		want.b[Oerr] = (uint8_t)error;
	}
	add1(&want, q->b[Orcmd]);
	add1(&want, (unsigned)(to - from));
	addn(&want, f.b + Ormac, n);
	return same(&want, &f) && holds(f.b + Ormac, 6, from, to);
}

static int
readreserve(int from, int to)
{
	Frame q;

	resframe(&q, Rread, 0, 0);
	return reserved(&q, 0, from, to);
}

static int
reserveas(int who, int rcmd, int from, int to, int error, int nowfrom, int nowto)
{
	Frame q;

	resframe(&q, rcmd, from, to);
	setsrc(&q, macs[who]);
	return reserved(&q, error, nowfrom, nowto) && readreserve(nowfrom, nowto);
}

/* Every ATA command but IDENTIFY is refused to macs[who]. */
static int
lockedout(int who)
{
	static const int width[] = { 0, 1, 255 };
	uint8_t full[Secsize];
	Frame q, f;
	int cmd;
	size_t i;

	memset(full, 0, sizeof full);
	for(cmd = 0; cmd < 256; cmd++)
		for(i = 0; i < NELEM(width) && cmd != 0xEC; i++){
			cmdframe(&q, cmd, 0, width[i], 0, full, i == 1 ? sizeof full : 0);
			setsrc(&q, macs[who]);
			if(!refused(&q, Ereserved))
				return why("command 0x%02x", cmd);
		}
	cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
	setsrc(&q, macs[who]);
	if(!ask(&q, &f) || f.n != Odata + Secsize || f.b[Oatacmd] != Sdrdy)
		return why("IDENTIFY fails");
	return 1;
}

static int
freely(int who)
{
	Frame q, f;

	cmdframe(&q, 0x24, 0, 1, 0, NULL, 0);
	setsrc(&q, macs[who]);
	return ask(&q, &f) && (f.n == Odata + Secsize || why("a read gets %zu bytes, error %d", f.n,
		f.b[Oerr]));
}

static void
reservation(void)
{
	uint64_t sum;
	Frame q;

	test(readreserve(0, 0), "nothing is reserved at first");
	sum = imghash();
	test(reserveas(0, Rset, 0, 3, 0, 0, 3), "set reserves for the MACs given");
	test(freely(0) && freely(1) && freely(2), "each of them has access");
	test(lockedout(3) && imghash() == sum,
		"others get AoE error 6 for every ATA command but IDENTIFY");
	cfgframe(&q, Qread, NULL, 0);
	setsrc(&q, macs[3]);
	test(configis(&q, 0, NULL, 0), "config is answered to others");
	resframe(&q, Rread, 0, 0);
	setsrc(&q, macs[3]);
	test(reserved(&q, 0, 0, 3), "a read of the reservation is answered to others");
	test(reserveas(3, Rset, 3, 4, Ereserved, 0, 3) && reserveas(3, Rset, 0, 0, Ereserved, 0, 3),
		"set by others gets AoE error 6 and the current list");
	test(reserveas(1, Rset, 0, 2, 0, 0, 2), "a host that is in the list may set another");
	test(reserveas(2, Rset, 2, 3, Ereserved, 0, 2) && lockedout(2),
		"one that is no longer in it may not");
	test(reserveas(3, Rforce, 3, 5, 0, 3, 5), "a force set is open to everybody");
	test(lockedout(0) && freely(3), "and takes the disk from those who had it");
	test(reserveas(0, Rforce, 0, 1, 0, 0, 1) && reserveas(0, Rset, 0, 0, 0, 0, 0) && freely(3),
		"an empty set releases");
	test(reserveas(0, Rset, 0, 1, 0, 0, 1) && reserveas(3, Rforce, 0, 0, 0, 0, 0) && freely(3),
		"so does an empty force set");
}

static void
reservemany(void)
{
	Frame q;
	int max, n, good;

	max = maxreserve();
	test(reserveas(0, Rset, 0, max, 0, 0, max) && freely(max - 1),
		"%d MACs can be reserved for", max);
	test(reserveas(0, Rforce, 1, max, 0, 1, max) && lockedout(0),
		"the list is replaced, not added to");
	good = reserveas(1, Rset, 0, 2, 0, 0, 2);
	for(n = 0; n < 3 && good; n++){
		resframe(&q, Rset, 0, n);
		q.b[Orcount] = (uint8_t)(padded(n, Ormac, 6) + 1);
		good = reserved(&q, Ebadarg, 0, 2);
		addzero(&q, 5);
		good = good && reserved(&q, Ebadarg, 0, 2);
		resframe(&q, Rforce, 0, n);
		q.b[Orcount] = 0xFF;
		good = good && reserved(&q, Ebadarg, 0, 2);
	}
	test(good && readreserve(0, 2),
		"a count beyond the frame is a bad argument and changes nothing");
	if(max < 255){
		resframe(&q, Rset, 0, max);
		addzero(&q, (size_t)net.mtu + 14 - q.n);
		q.b[Orcount] = (uint8_t)(max + 1);
		test(reserved(&q, Ebadarg, 0, 2),
			"a list longer than an answer can carry is a bad argument");
	}
	test(reserveas(0, Rset, 0, 0, 0, 0, 0), "the reservation is released");
}

void
reservegroup(void)
{
	mkmacs();
	reservation();
	reservemany();
}

/*
 * Advertisements.
 */

/* f is an advertisement to dst, right in every byte. */
static int
isadvert(const Frame *f, const uint8_t *dst)
{
	Frame want;

	if(f->n < Ostring)
		return why("%zu bytes", f->n);
	mkframe(&want, &net, dst, t.shelf, t.slot, Cconfig, 0);
	setsrc(&want, f->b + Osrc);
	memcpy(t.mac, f->b + Osrc, 6);
	want.b[Over] = Version | Fresp;
	add2(&want, (unsigned)bufcnt);
	addn(&want, f->b + Ofirmware, 2);
	add1(&want, (unsigned)advertised());
	add1(&want, Version | Qread);
	add2(&want, 0);
	return same(&want, f);
}

static void
listening(void)
{
	puts("# listening");
	fflush(stdout);
}

/* The next frame that is no question: it asks for others of its address. */
static int
heard(Frame *f, int ms)
{
	int got;

	while((got = netrecv(&net, f, ms)) && f->n > Over && !(f->b[Over] & Fresp))
		;
	return got;
}

/* The target starts while we listen. */
void
advertgroup(void)
{
	Frame q, f;
	int good;

	listening();
	good = heard(&f, 10000) ? isadvert(&f, broadcast) : why("nothing comes");
	test(good, "the target advertises itself to all when it starts");
	cfgframe(&q, Qread, NULL, 0);
	test(configis(&q, 0, NULL, 0), "by the MAC it answers from");
}

/* The same with a mask list of macs 1 and 2. */
void
unicastgroup(void)
{
	int i, n, got[3], good;
	Frame f;

	mkmacs();
	listening();
	memset(got, 0, sizeof got);
	good = 1;
	for(n = 0; good && heard(&f, n < 2 ? 10000 : 300); n++){
		for(i = 1; i < 3 && memcmp(f.b + Odst, macs[i], 6) != 0; i++)
			;
		good = i < 3 ? isadvert(&f, macs[i]) : why("an advertisement to %s",
			macstr(f.b + Odst));
		got[i % 3]++;
	}
	test(good && got[1] > 0 && got[2] > 0,
		"with a mask list the target advertises itself to each MAC of the list and no other");
}
