/*
 * Unit tests: aoe.c, ata.c and buf.c in this process, over the operating
 * system in memory of memsys.c.
 *
 *	unit [seed]
 *
 * The random tests say the seed they use, which repeats them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "unit.h"
#include "../tap.h"

Nic nic;
uvlong seed;
static uvlong state;

int
test(int pass, const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	return ok(pass, "%s", buf);
}

uint
rnd(uint n)
{
	return (uint)((memrandom(&state) >> 20) % n);
}

int
apart(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if(pid == 0){
		alarm(30);
		_exit(fn());
	}
	if(pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	if(status != 0)
		printf("# wait status 0x%x\n", (uint)status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

char*
parse(Conf *c, const char *words)
{
	static char buf[8192], *argv[600];
	int argc = 1;
	char *s;

	snprintf(buf, sizeof buf, "%s", words);
	argv[0] = "aoede";
	for(s = strtok(buf, " "); s != NULL; s = strtok(NULL, " "))
		argv[argc++] = s;
	argv[argc] = NULL;
	optind = 0;		/* glibc and musl begin anew, also within a word */
	return getconf(c, argc, argv);
}

void
target(char *options, uvlong nsec, int mtu)
{
	char words[8192];
	Conf c;
	char *e;

	snprintf(words, sizeof words, "%s %d %d t0 image", options, Shelf, Slot);
	e = parse(&c, words);
	memdisk(nsec * Sector);
	mem.clock += 100000000000;	/* nothing of what was is remembered */
	if(e == NULL)
		disk.direct = c.direct;
	memremap();
	if(e != NULL || bufinit(c.offset, c.length) < 0){
		fprintf(stderr, "unit: no target: %s\n", e != NULL ? e : options);
		exit(1);
	}
	memwindow(c.offset, bufsize());
	mem.readonly = c.readonly;
	memnic(&nic, "t0", 1, mtu);
	aoeinit(&c);
	atainit("9.4:unit", c.readonly, c.sync);
	memset(&stats, 0, sizeof stats);
}

uint
request(uchar *f, int cmd, int from)
{
	memset(f, 0, Odata);
	memcpy(f + Odst, nic.ea.a, sizeof(Ea));
	f[Osrc] = 2;
	f[Osrc + 4] = (uchar)(from >> 8);
	f[Osrc + 5] = (uchar)from;
	f[Otype] = Aoetype >> 8;
	f[Otype + 1] = Aoetype & 0xff;
	f[Overflag] = Aoever << 4;
	f[Omajor + 1] = Shelf;
	f[Ominor] = Slot;
	f[Ocmd] = (uchar)cmd;
	f[Otag] = 0xde;
	f[Otag + 1] = (uchar)rnd(256);
	f[Otag + 2] = (uchar)rnd(256);
	f[Otag + 3] = 0xad;
	return Odata;
}

uint
atarequest(uchar *f, uint cmd, uint feature, uint count, uvlong lba)
{
	int i;

	request(f, Cata, 1);
	f[25] = (uchar)feature;
	f[26] = (uchar)count;
	f[27] = (uchar)cmd;
	for(i = 0; i < 6; i++)
		f[28 + i] = (uchar)(lba >> 8 * i);
	return Odata;
}

uchar*
ask(uchar *f, uint len, uint *alen)
{
	static uchar answer[Framemax];
	uint more;
	uchar *a;

	memput(&nic, f, len);
	memturn(&nic);
	a = memget(&nic, alen);
	if(a == NULL)
		return NULL;
	memcpy(answer, a, *alen);
	if(memget(&nic, &more) != NULL){
		fprintf(stderr, "unit: two answers to one frame\n");
		abort();
	}
	return answer;
}

int
zeros(const uchar *p, uint n)
{
	while(n > 0 && *p == 0)
		p++, n--;
	return n == 0;
}

int
isheader(uchar *a, uchar *f, uint error)
{
	return a != NULL && memcmp(a + Odst, f + Osrc, 6) == 0 && memcmp(a + Osrc, nic.ea.a, 6) == 0
		&& a[Otype] == Aoetype >> 8 && a[Otype + 1] == (Aoetype & 0xff)
		&& a[Overflag] == (error ? 0x1c : 0x18) && a[Oerror] == error
		&& a[Omajor] == 0 && a[Omajor + 1] == Shelf && a[Ominor] == Slot
		&& a[Ocmd] == f[Ocmd] && memcmp(a + Otag, f + Otag, 4) == 0;
}

int
isata(uchar *a, uint alen, uchar *f, uint status, uint error, uint count)
{
	return isheader(a, f, 0) && alen == Framemin && a[24] == f[24] && a[25] == error
		&& a[26] == count && a[27] == status
		&& a[34] == 0 && a[35] == 0 && zeros(a + Odata, Framemin - Odata);
}

int
isrefusal(uchar *a, uint alen, uchar *f, uint error)
{
	return isheader(a, f, error) && alen == Framemin && zeros(a + Odata, Framemin - Odata);
}

int
succeeds(uint cmd, uint feature, uint count, uvlong lba)
{
	uchar f[Framemin], *a;
	uint alen, n = atarequest(f, cmd, feature, count, lba);

	a = ask(f, n, &alen);
	return isata(a, alen, f, 0x40, 0, 0) && memcmp(a + 28, f + 28, 6) == 0;
}

int
failswith(uint cmd, uint feature, uint count, uvlong lba, uint error)
{
	static uchar f[Framemax];
	uchar *a;
	uint alen;

	memset(f, 0, sizeof f);
	atarequest(f, cmd, feature, count, lba);
	a = ask(f, (uint)(Etherhdr + nic.mtu), &alen);
	return isata(a, alen, f, error ? 0x41 : 0x61, error, count);
}

/* The command line. */

static int
refused(const char *words, const char *why)
{
	Conf c;
	char *e = parse(&c, words);
	int good = e != NULL && strstr(e, why) != NULL && strchr(e, '\n') == NULL;

	if(!good)
		printf("# %s: %s\n", words, e != NULL ? e : "accepted");
	return good;
}

static void
badlines(void)
{
	static const char *const line[][2] = {
		{ "", "shelf slot" },
		{ "9", "shelf slot" },
		{ "9 4 t0", "shelf slot" },
		{ "65535 4 t0 f", "shelf '65535': expected a number from 0 to 65534" },
		{ "-1 4 t0 f", "-1" },
		{ "x 4 t0 f", "shelf 'x'" },
		{ "9x 4 t0 f", "shelf '9x'" },
		{ "0x9 4 t0 f", "shelf '0x9'" },
		{ "+9 4 t0 f", "shelf '+9'" },
		{ "9. 4 t0 f", "shelf '9.'" },
		{ "9 255 t0 f", "slot '255': expected a number from 0 to 254" },
		{ "9 4294967296 t0 f", "slot '4294967296'" },
		{ "18446744073709551616 4 t0 f", "shelf '18446744073709551616'" },
		{ "99999999999999999999999999999 4 t0 f", "shelf '9999" },
		{ "-b 1 9 4 t0 f", "-b '1': expected a number from 2 to 65535" },
		{ "-b 0 9 4 t0 f", "-b '0'" },
		{ "-b -5 9 4 t0 f", "-b '-5'" },
		{ "-b 65536 9 4 t0 f", "-b '65536'" },
		{ "-b 16k 9 4 t0 f", "-b '16k'" },
		{ "9 4 t0 f -b", "-b: expected an argument" },
		{ "9 4 t0 f -m", "-m: expected an argument" },
		{ "-l 0 9 4 t0 f", "-l '0'" },
		{ "-l 1e3 9 4 t0 f", "-l '1e3'" },
		{ "-l 18014398509481984 9 4 t0 f", "-l '18014398509481984'" },
		{ "-o -1 9 4 t0 f", "-o '-1'" },
		{ "-o 18446744073709551615 9 4 t0 f", "-o '18446744073709551615'" },
		{ "-x 9 4 t0 f", "-x: no such option" },
		{ "9 4 t0 f -rx", "-x: no such option" },
		{ "--help 9 4 t0 f", "no such option" },
		{ "-f ,5 9 4 t0 f", "-f ',5': expected the path" },
		{ "-m , 9 4 t0 f", "-m '': expected a MAC" },
		{ "-m 02:00:00:00:00:01, 9 4 t0 f", "-m '': expected a MAC" },
		{ "-m 02:00:00:00:00 9 4 t0 f", "-m '02:00:00:00:00'" },
		{ "-m 02:00:00:00:00:0 9 4 t0 f", "-m '02:00:00:00:00:0'" },
		{ "-m 02:00:00:00:00:011 9 4 t0 f", "-m '02:00:00:00:00:011'" },
		{ "-m 0200000000001 9 4 t0 f", "-m '0200000000001'" },
		{ "-m 02000000000g 9 4 t0 f", "-m '02000000000g'" },
		{ "-m 0200:00000001 9 4 t0 f", "-m '0200:00000001'" },
		{ "-m 02:0000000001 9 4 t0 f", "-m '02:0000000001'" },
		{ "-m 020000000001,x,020000000002 9 4 t0 f", "-m 'x'" },
		{ "-m 02-00-00-00-00-01 9 4 t0 f", "-m '02-00-00-00-00-01'" },
		{ "9 4 t0 t1 t0 f", "interface t0: expected each interface once" },
		{ "9 4 i0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456 f",
			"expected a name of 1 to 127 characters" },
		{ "-m 01:00:00:00:00:01 9 4 t0 f",
			"-m '01:00:00:00:00:01': expected the MAC address of one host" },
		{ "-m 020000000001,ffffffffffff 9 4 t0 f",
			"-m 'ffffffffffff': expected the MAC address of one host" },
	};
	uint i;

	for(i = 0; i < sizeof line / sizeof line[0]; i++)
		test(refused(line[i][0], line[i][1]), "refused, with the argument named: %s",
			line[i][0]);
}

/* Options at every place between the operands mean the same. */
static int
anywhere(const char *opt)
{
	static const char *const word[] = { "9", "4", "t0", "t1", "image" };
	char line[300];
	Conf c;
	int at, i, n, good = 1;
	char *e;

	for(at = 0; at <= 5; at++){
		for(i = 0, n = 0; i <= 5; i++){
			if(i == at)
				n += snprintf(line + n, sizeof line - (size_t)n, "%s ", opt);
			if(i < 5)
				n += snprintf(line + n, sizeof line - (size_t)n, "%s ", word[i]);
		}
		e = parse(&c, line);
		if(e != NULL || c.shelf != 9 || c.slot != 4 || c.nnic != 2
			|| strcmp(c.nic[0], "t0") != 0 || strcmp(c.nic[1], "t1") != 0
			|| strcmp(c.file, "image") != 0
		|| c.bufcnt != 16 || !c.readonly || !c.sync || !c.direct || c.offset != 7
			|| c.length != 100 || c.nmask != 1){
			printf("# %s: %s\n", line, e != NULL ? e : "something is wrong");
			good = 0;
		}
	}
	return good;
}

static void
maclists(void)
{
	static const uchar want[6] = { 0x02, 0xae, 0x1b, 0xf0, 0x9c, 0xd5 };
	char line[8192];
	Conf c;
	int i, n;

	test(parse(&c, "-m 02:ae:1b:f0:9c:d5,02AE1BF09CD5 -m 02:AE:1b:F0:9c:D5 9 4 t0 f") == NULL
		&& c.nmask == 3
		&& memcmp(c.mask[0].a, want, 6) == 0 && memcmp(c.mask[1].a, want, 6) == 0
			&& memcmp(c.mask[2].a, want, 6) == 0,
		"MACs with and without colons, in upper and lower case, in one -m or in several");
	for(i = 0, n = snprintf(line, sizeof line, "9 4 t0 f -m "); i < 255; i++)
		n += snprintf(line + n, sizeof line - (size_t)n, "%s02000000%04x", i > 0 ? "," : "",
			(uint)i);
	test(parse(&c, line) == NULL && c.nmask == 255 && c.mask[254].a[5] == 254,
		"a list of 255 MACs");
	snprintf(line + n, sizeof line - (size_t)n, ",030000000000");
	test(refused(line, "at most 255"), "a list of 256 MACs is refused");
}

static void
nicnames(void)
{
	char line[1024];
	Conf c;
	int i, n;

	test(parse(&c, "0 0 fifteenletters1 f") == NULL && strcmp(c.nic[0], "fifteenletters1") == 0
		&& c.shelf == 0
		&& c.slot == 0, "an interface's name of 15 characters, shelf and slot 0");
	for(i = 0, n = snprintf(line, sizeof line, "65534 254 "); i < MAX_NICS; i++)
		n += snprintf(line + n, sizeof line - (size_t)n, "t%d ", i);
	snprintf(line + n, sizeof line - (size_t)n, "f");
	test(parse(&c, line) == NULL && c.nnic == MAX_NICS && c.shelf == 65534 && c.slot == 254,
		"%d interfaces, the highest shelf and slot", MAX_NICS);
	snprintf(line + n, sizeof line - (size_t)n, "more f");
	test(refused(line, "at most"), "%d interfaces are refused", MAX_NICS + 1);
}

void
conftests(void)
{
	Conf c;

	test(parse(&c, "9 4 t0 image") == NULL && c.bufcnt == BUFCNT && !c.direct && !c.readonly
		&& !c.sync && c.offset == 0 && c.length == 0 && c.nmask == 0 && !c.help
		&& !c.version,
		"without options the defaults are in force");
	test(anywhere("-b 16 -r -s -d -o 7 -l 100 -m 020000000001"),
		"options before, between and after the operands");
	test(anywhere("-b16 -rsd -o7 -l100 -m020000000001"), "options that are run together");
	test(anywhere("-b 3 -b 16 -o 9 -l 8 -rrssdd -o 7 -l 100 -m 020000000001"),
		"the last of an option counts");
	test(parse(&c, "-b 65535 -- 9 4 t0 -r") == NULL && strcmp(c.file, "-r") == 0 && !c.readonly
		&& c.bufcnt == 65535, "what follows -- is no option");
	test(parse(&c, "9 -- 4 t0 -r") == NULL && strcmp(c.file, "-r") == 0 && c.slot == 4,
		"-- between the operands");
	test(parse(&c, "9 4 t0 -- --") == NULL && strcmp(c.file, "--") == 0, "a file named --");
	test(parse(&c, "-h") == NULL && c.help, "-h needs no operands");
	test(parse(&c, "-V") == NULL && c.version, "-V needs no operands");
	test(parse(&c, "-b 2 -o 18014398509481983 -l 18014398509481983 9 4 t0 f") == NULL
		&& c.bufcnt == 2 && c.offset == 18014398509481983ULL
		&& c.length == 18014398509481983ULL,
		"the smallest buffer count, the largest offset and length");
	maclists();
	nicnames();
	badlines();
}

int
main(int argc, char **argv)
{
	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uvlong)time(NULL);
	printf("# to repeat: unit %llu\n", seed);
	state = memrandomstate(seed);
	mem.clock = 1000000000000;
	mem.tick = 100000;
	conftests();
	identifytests();
	atatests();
	aoetests();
	buftests();
	cachetests();
	exttests();
	freezetests();
	looptests();
	memnonics();
	return tapend();
}
