/*
 * Tests with malformed frames: runts, requests cut off at every length,
 * counts and lengths beyond the frame, commands with senseless registers.
 * Whatever is answered, the target lives, its config string, mask list
 * and reservation stay, and no byte of the image changes.
 */
#include <stdio.h>
#include <string.h>
#include "initiator.h"
#include "wire.h"

#define NELEM(x) (sizeof(x) / sizeof(x)[0])
#define Lba48max (((uint64_t)1 << 48) - 1)

static const char canary[] = "canary";
static const uint8_t writes[] = { 0x06, 0x30, 0x31, 0x34, 0x35, 0x3D, 0xCA };
static uint64_t sum;

static void
before(void)
{
	Frame q;

	cfgframe(&q, Qforce, canary, strlen(canary));
	configis(&q, 0, canary, strlen(canary));
	sum = imghash();
}

/*
 * Send q.  Now and then wait for the target, so that it is never sent more
 * than it has room for: a frame that is lost tests nothing.
 */
static int
throw(const Frame *q)
{
	static int n;

	netsend(&net, q);
	return ++n % 32 != 0 || answers();
}

/* Nothing has changed, and nothing is answered any more. */
static int
unchanged(void)
{
	Frame q, f;

	drain();
	cfgframe(&q, Qread, NULL, 0);
	if(!configis(&q, 0, canary, strlen(canary)))
		return 0;
	mkmask(&q, &net, &t, Mread, net.tag++);
	if(!ask(&q, &f) || f.n < Omdir || f.b[Omcount] != 0)
		return why("the mask list is not empty");
	mkreserve(&q, &net, &t, Rread, NULL, 0, net.tag++);
	if(!ask(&q, &f) || f.n < Ormac || f.b[Orcount] != 0)
		return why("the disk is reserved");
	return imghash() == sum || why("the image has changed");
}

/* The least length that command cmd of AoE has. */
static size_t
leastlen(int cmd)
{
	static const size_t len[] = { Odata, Ostring, Omdir, Ormac };

	return cmd < 4 ? len[cmd] : Oarg;
}

static void
runts(void)
{
	Frame q;
	size_t n;
	int cmd, good;

	before();
	for(good = 1, cmd = 0; cmd < 4 && shortest == 0 && good; cmd++){
		drain();
		for(n = 0; n < leastlen(cmd); n++){
			if(cmd == Cconfig && n == Oarg)
				continue;	/* a read of the config string may end there */
			mkframe(&q, &net, t.mac, t.shelf, t.slot, cmd, net.tag++);
			addzero(&q, Ethermin);
			q.n = n;
			netsend(&net, &q);
		}
		good = nothing() || why("command %d", cmd);
	}
	if(shortest == 0)
		test(good, "frames too short for the argument of their command are not answered");
	for(good = 1, cmd = 0; cmd < 256; cmd++)
		for(n = 0; n <= Ethermin && cmd != 0x23 && good; n++){
			mkframe(&q, &net, t.mac, t.shelf, t.slot, cmd, net.tag++);
			addzero(&q, Ethermin);
			q.n = n;
			good = throw(&q);
		}
	test(good && unchanged(), "runts of 0 to 60 bytes of every AoE command change nothing");
}

/*
 * Send q cut off at every length.  Where an argument is left, the target
 * must refuse it by AoE error 2 if error says so.
 */
static int
truncated(const Frame *q, int error)
{
	Frame cut, f;
	size_t n, least;

	least = leastlen(q->b[Ocmd]);
	drain();
	for(cut = *q, n = shortest; n < least; n++){
		if(q->b[Ocmd] == Cconfig && n == Oarg)
			continue;
		cut.n = n;
		netsend(&net, &cut);
	}
	if(!nothing())
		return 0;
	for(n = least > shortest ? least : shortest; n < q->n; n++){
		cut.n = n;
		put32(cut.b + Otag, net.tag++);
		if(error && (!ask(&cut, &f) || !refusal(&cut, &f, Ebadarg)))
			return why("cut off at %zu of %zu bytes", n, q->n);
		if(!error && !throw(&cut))
			return 0;
	}
	return unchanged();
}

static void
truncations(void)
{
	static uint8_t full[64 * Secsize];
	uint8_t mac[8][6];
	size_t i;
	Frame q;
	int cmd, good;

	memset(full, 0xA5, sizeof full);
	memcpy(mac[0], net.mac, 6);
	for(i = 1; i < NELEM(mac); i++)
		mkmac(mac[i], (int)i);
	before();
	for(cmd = Qtest; cmd <= Qforce; cmd++){
		cfgframe(&q, cmd, full, 300);
		test(truncated(&q, 1),
			"config command %d cut off at any length is refused, or dropped", cmd);
	}
	cfgframe(&q, Qread, full, 300);
	test(truncated(&q, 0), "a config read cut off at any length changes nothing");
	mkmask(&q, &net, &t, Medit, net.tag++);
	for(i = 0; i < NELEM(mac); i++)
		adddirective(&q, Madd, mac[i]);
	test(truncated(&q, 0), "a mask edit cut off at any length changes nothing");
	mkreserve(&q, &net, &t, Rforce, mac, NELEM(mac), net.tag++);
	test(truncated(&q, 1), "a force reservation cut off at any length is refused, or dropped");
	mkreserve(&q, &net, &t, Rset, mac, NELEM(mac), net.tag++);
	test(truncated(&q, 1), "a reservation cut off at any length is refused, or dropped");
	for(i = 0; i < NELEM(writes); i++){
		cmdframe(&q, writes[i], 1, served(), 10, full, (size_t)served() * Secsize);
		test(truncated(&q, 1),
			"0x%02x with %d sectors cut off at any length is refused, or dropped", writes[i], served());
	}
	for(good = 1, cmd = 0; cmd < 256 && shortest == 0 && good; cmd++){
		if(memchr(writes, cmd, sizeof writes) != NULL)
			continue;
		cmdframe(&q, cmd, 0xD0, 1, 0xC24F00, full, 40);
		drain();
		for(i = 0; i < Odata; i++){
			q.n = i;
			netsend(&net, &q);
		}
		good = nothing() || why("command 0x%02x", cmd);
	}
	if(shortest == 0)
		test(good && unchanged(),
			"every other ATA command cut off before its end is dropped");
}

/* Counts that promise more than the frame holds. */
static void
beyond(void)
{
	uint8_t mac[3][6];
	int cmd, i, n, good;
	Frame q, f;

	before();
	memcpy(mac[0], net.mac, 6);
	mkmac(mac[1], 1);
	mkmac(mac[2], 2);
	for(good = 1, n = 0; n < 4; n++)
		for(i = padded(n, Omdir, 8) + 1; i < 256 && good; i++){
			mkmask(&q, &net, &t, Medit, net.tag++);
			for(cmd = 0; cmd < n; cmd++)
				adddirective(&q, Madd, mac[cmd % 3]);
			q.b[Omcount] = (uint8_t)i;
			good = throw(&q);
		}
	test(good && unchanged(), "a count of mask directives beyond the frame changes nothing");
	for(good = 1, n = 0; n < 4 && good; n++)
		for(i = padded(n, Ormac, 6) + 1; i < 256 && good; i++){
			mkreserve(&q, &net, &t, Rforce, mac, n > 2 ? 3 : n, net.tag++);
			q.b[Orcount] = (uint8_t)(n > 2 && i < 4 ? 4 : i);
			good = ask(&q, &f) && refusal(&q, &f, Ebadarg);
		}
	test(good && unchanged(), "a count of MACs to reserve for beyond the frame is refused");
	for(good = 1, i = padded(6, Ostring, 1) + 1; i < 65536 && good; i += i < 1200 ? 1 : 997){
		cfgframe(&q, Qforce, "string", 6);
		put16(q.b + Oslen, (unsigned)i);
		good = ask(&q, &f) && refusal(&q, &f, Ebadarg);
	}
	test(good && unchanged(), "a string length beyond the frame is refused");
}

static void
opcodes(void)
{
	static const uint64_t lba[] = { 0, 0x0FFFFFFF, Lba48max, (uint64_t)1 << 47, 0xFFFFFFFF };
	static const uint8_t count[] = { 0, 1, 2, 17, 128, 255 };
	static const uint8_t feature[] = { 0, 1, 0xFF };
	uint8_t full[Secsize - 1];
	size_t i, k, m;
	Frame q, f;
	int cmd, good;

	memset(full, 0xC3, sizeof full);
	before();
	for(good = 1, cmd = 0; cmd < 256 && good; cmd++)
		for(i = 0; i < NELEM(lba); i++)
			for(k = 0; k < NELEM(count); k++)
				for(m = 0; m < NELEM(feature) && good; m++){
					cmdframe(&q, cmd, feature[m], count[k], lba[i], full,
						m == 0 ? 0 : sizeof full);
					q.b[Oaflags] = (uint8_t)(m * 0x41);
					good = ask(&q, &f) || why("command 0x%02x", cmd);
				}
	test(good, "all 256 ATA commands, with senseless registers and too few data, are answered");
	cmdframe(&q, 0xEF, 0x02, 0, 0, NULL, 0);
	ask(&q, &f);
	cmdframe(&q, 0xB0, 0xD8, 0, 0xC24F00, NULL, 0);
	ask(&q, &f);
	test(unchanged(), "and change nothing");
}

/* Random arguments for anything that can't change state when it is valid. */
static void
noise(void)
{
	uint8_t bytes[600];
	unsigned i, n;
	int good;
	Frame q;

	before();
	for(good = 1, i = 0; i < 20000 && good; i++){
		pattern(bytes, sizeof bytes, i + 12345);
		n = bytes[598] < 128 ? bytes[599] : (unsigned)bytes[599] * 2;
		mkframe(&q, &net, t.mac, t.shelf, t.slot, bytes[597] & 3, net.tag++);
		addn(&q, bytes, n);
		q.b[Over] = (uint8_t)(Version | (bytes[596] & 0x03));
		pad(&q, Odata);
		if(q.b[Ocmd] == Cata && memchr(writes, q.b[Oatacmd], sizeof writes) != NULL)
			q.b[Oatacmd] = 0x24;
		if(q.b[Ocmd] == Cconfig)
			q.b[Occmd] &= 0xF2;
		if(q.b[Ocmd] == Cmask && q.b[Omcmd] == Medit)
			q.b[Omcmd] = Mread;
		if(q.b[Ocmd] == Creserve && (q.b[Orcmd] == Rset || q.b[Orcmd] == Rforce))
			q.b[Orcmd] = Rread;
		good = throw(&q);
	}
	test(good && unchanged(), "random arguments of requests that may not write change nothing");
}

void
badgroup(void)
{
	Frame q;

	runts();
	truncations();
	beyond();
	opcodes();
	noise();
	cfgframe(&q, Qforce, NULL, 0);
	test(configis(&q, 0, NULL, 0), "the target lives");
}
