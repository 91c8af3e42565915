# aoede: an ATA-over-Ethernet target.  GNU make.
#
#   make            the daemon, ./aoede
#   make demo       export an image in a network namespace and use it
#   make check      every test (as root; installs the packages it needs)
#   make fresh      both on a machine that has nothing yet; SUITE=trixie
#   make check-all  and what takes long on emulated machines
#   make power      power failures, as many as CUTS says
#   make soak       everything that may happen to it under load, for half an hour
#   make fuzz       what is read from outside, fed with anything
#   make coverage   how much of the code the tests execute
#   make bench      aoede beside vblade and the most that is possible
#   make install    prefix=/usr/local and DESTDIR are honoured
#   make deb        a package for Debian and its kin, in the build directory
#
# CC, CFLAGS, CPPFLAGS and LDFLAGS may come from the command line or from the
# environment.
#
# A variant is built beside the default one by naming another build
# directory, which then holds its own objects and its own aoede:
#
#   make B=obj/asan CC=clang SAN=address,undefined

B	= obj
OPT	= -O2 -g
WARN	= -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
CSTD	= -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
DEFS	=
SAN	=
# What the sanitizers do is more than the sandbox lets through.  Without a
# word here config.h decides.
SANDBOX	= $(if $(SAN),0)
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS	?= $(OPT)
# musl-gcc looks for headers in musl's own directory only; the kernel's are
# found behind them.
KERNELINC = $(if $(findstring musl-gcc,$(CC)),-idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -dumpmachine))
ALLCFLAGS = $(CSTD) $(WARN) -pthread $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) $(if $(SANDBOX),-DSANDBOX=$(SANDBOX)) $(DEFS) $(INC) -I. $(KERNELINC) -MMD -MP
prefix	= /usr/local
sbindir	= $(prefix)/sbin
mandir	= $(prefix)/share/man
unitdir	= $(prefix)/lib/systemd/system

HOST	:= $(shell uname -s)
PLATFORM = $(if $(filter FreeBSD,$(HOST)),freebsd,linux)
SRC	= aoe.c tags.c ata.c buf.c cache.c freeze.c crc.c posix.c $(PLATFORM).c
OBJ	= $(SRC:%.c=$(B)/%.o)

# freebsd.c on another system runs over a layer that belongs to the tests.
LAYER	= $(if $(filter FreeBSD,$(HOST)),,$(filter freebsd,$(PLATFORM)))
LAYERCALLS = open64 openat64 close stat64 fstat64 read write pread64 pwrite64 preadv64 pwritev64 poll socket send ioctl mincore fstatfs getopt \
	fsync fdatasync ftruncate64 flock unlinkat renameat linkat faccessat fstatat64 access mmap64
ifneq ($(LAYER),)
OBJ	+= $(B)/tests/freebsd/layer.o $(B)/tests/freebsd/host.o
LDLAYER	= $(LAYERCALLS:%=-Wl,--wrap=%)
$(B)/%.o $(B)/tests/freebsd/layer.o: INC += -Itests/freebsd/include
$(B)/tests/freebsd/host.o: INC =
$(B)/tests/freebsd/strict: $(patsubst %,$(B)/tests/freebsd/%.o,strict layer host)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) $(LDLAYER) -o $@ $^
endif

# Programs of the test suite that talk to a target over the wire, by the
# initiator they share.
WIREPROGS = aoeio wire badnet

all: $(if $(filter obj,$(B)),aoede,$(B)/aoede)

# It may be running.
aoede: obj/aoede
	cp obj/aoede obj/aoede.new
	mv -f obj/aoede.new aoede

$(B)/aoede: $(OBJ)
	$(CC) $(ALLCFLAGS) $(LDFLAGS) $(LDLAYER) -o $@ $(OBJ)

$(B)/%.o: %.c | $(B)/tests
	$(CC) $(ALLCFLAGS) -c -o $@ $<

# Their objects lie side by side.
vpath %.c $(addprefix tests/,unit wire fuzz bench faults)
$(B)/tests/%.o: %.c | $(B)/tests
	$(CC) $(ALLCFLAGS) -c -o $@ $<

$(WIREPROGS:%=$(B)/tests/%): $(B)/tests/%: $(B)/tests/%.o $(B)/tests/initiator.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/wire: $(patsubst %,$(B)/tests/%.o,wireframe wireata wiremalformed wireinitiators wireextensions wirefull)

$(B)/tests/load: $(B)/tests/load.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/crcbench: $(B)/tests/crcbench.o $(B)/crc.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/slowdisk: $(B)/tests/slowdisk.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/withoutcalls: $(B)/tests/withoutcalls.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^

# The daemon, trying to do what it must not.
$(B)/tests/breakout: $(OBJ) $(B)/tests/breakout.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -Wl,--wrap=disarm,--wrap=sandbox,--wrap=syscall -o $@ $^

# The daemon, in a bad world.
FAULTS = malloc calloc aligned_alloc mmap64 fopen64 clock_gettime preadv64 pwritev64 syscall
$(B)/tests/faultinject: $(OBJ) $(B)/tests/faultinject.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) $(FAULTS:%=-Wl,--wrap=%) -o $@ $^

# The daemon's rings without the daemon.
$(B)/tests/nodisk: $(B)/tests/nodisk.o $(B)/$(PLATFORM).o $(B)/posix.o
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^

# The daemon over an operating system in memory.  memsys.o comes first, and its
# files and disk take the place of those of posix.o.
MEMOBJ	= $(B)/tests/memsys.o $(B)/tests/aoe-nomain.o $(B)/tags.o $(B)/ata.o $(B)/buf.o $(B)/cache.o $(B)/freeze.o $(B)/crc.o $(B)/posix.o

$(B)/tests/aoe-nomain.o: aoe.c | $(B)/tests
	$(CC) $(ALLCFLAGS) -Dmain=aoede_main -Wno-missing-prototypes -c -o $@ $<

# It has a clock and a log of its own.
MEMLDFLAGS = $(LDFLAGS) -Wl,--wrap=clock_gettime,--wrap=warnx,--allow-multiple-definition

# And memory that can be refused, and sleep that can be seen.
$(B)/tests/unit: MEMLDFLAGS += -Wl,--wrap=malloc,--wrap=poll
$(B)/tests/unit: $(patsubst %,$(B)/tests/%.o,unit unitata unitbuf unitcache unitfreeze unitaoe unitextensions) $(MEMOBJ)
	$(CC) $(ALLCFLAGS) $(MEMLDFLAGS) -o $@ $^

$(B)/tests/model: $(B)/tests/model.o $(MEMOBJ)
	$(CC) $(ALLCFLAGS) $(MEMLDFLAGS) -o $@ $^

$(B)/tests/freezemodel: $(B)/tests/freezemodel.o $(MEMOBJ)
	$(CC) $(ALLCFLAGS) $(MEMLDFLAGS) -o $@ $^

# The fuzzers, and their inputs lived through without a fuzzer.
FUZZERS	= frame shadow state args
REPLAYS	= shadow state args

$(REPLAYS:%=$(B)/tests/replay_%): $(B)/tests/replay_%: $(B)/tests/replay.o $(B)/tests/fuzz_%.o $(MEMOBJ)
	$(CC) $(ALLCFLAGS) $(MEMLDFLAGS) -o $@ $^

$(B)/tests/replay_frame: $(B)/tests/replay_frame.o $(B)/tests/fuzz_frame.o $(MEMOBJ)
	$(CC) $(ALLCFLAGS) $(MEMLDFLAGS) -o $@ $^

$(FUZZERS:%=$(B)/tests/fuzz_%): $(B)/tests/fuzz_%: $(B)/tests/fuzz_%.o $(MEMOBJ)
	$(CC) $(ALLCFLAGS) $(MEMLDFLAGS) -fsanitize=fuzzer -o $@ $^

$(B)/tests:
	mkdir -p $@/freebsd

-include $(wildcard $(B)/*.d $(B)/tests/*.d $(B)/tests/freebsd/*.d)

demo: aoede $(B)/tests/aoeio
	@B=$(B) tests/demo.sh

# Part of the table: make bench CASES='read-*-8k-32 direct-*' ROUNDS=3; or only
# what has a figure to reach, in few rounds: make bench QUICK=1
bench: aoede $(B)/tests/load $(B)/tests/nodisk $(B)/tests/crcbench $(B)/tests/slowdisk
	@$(B)/tests/crcbench
	@B=$(B) tests/bench/bench.sh

# The daemon as it is where the system lacks something: each a variant in a
# directory of its own.  Like the one that is strict and nothing else, they
# end when the sandbox would have to refuse something.
VARIANTS = aio threads nowindow norings strict
DEFS_aio = -DENGINE=2
DEFS_threads = -DENGINE=3
DEFS_nowindow = -DWINDOW=0
DEFS_norings = -DPACKET_RINGS=0
$(VARIANTS:%=$(B)/%/aoede) $(B)/strict/tests/breakout $(VARIANTS:%=$(B)/%/tests/faultinject): $(B)/%: $(SRC) tests/faults/breakout.c tests/faults/faultinject.c $(wildcard *.h)
	$(MAKE) B=$(B)/$(firstword $(subst /, ,$*)) SANDBOX=$(if $(SAN),0,2) DEFS='$(DEFS) $(DEFS_$(firstword $(subst /, ,$*)))' $@

# The daemon for FreeBSD 15 and 13.0, over the layer, and the layer's own tests.
FREEBSDS = freebsd freebsd13
DEFS_freebsd13 = -D__FreeBSD_version=1300139
FREEBSD = $(FREEBSDS:%=$(B)/%/aoede) $(FREEBSDS:%=$(B)/%/tests/freebsd/strict)
$(FREEBSDS:%=$(B)/%/tests/freebsd/strict): $(B)/%/tests/freebsd/strict: $(B)/%/aoede
$(FREEBSD): $(B)/%: $(SRC) freebsd.c $(wildcard *.h tests/freebsd/*.[ch] tests/freebsd/include/*.h tests/freebsd/include/*/*.h)
	$(MAKE) B=$(B)/$(firstword $(subst /, ,$*)) PLATFORM=freebsd DEFS='$(DEFS) $(DEFS_$(firstword $(subst /, ,$*)))' $@

# A big-endian one, for qemu, which can't share its libc.
S390X = aoede tests/unit tests/model tests/replay_frame
$(B)/s390x/aoede: $(SRC) $(wildcard *.h tests/*.h tests/*/*.[ch])
	$(MAKE) B=$(B)/s390x CC=s390x-linux-gnu-gcc LDFLAGS='$(LDFLAGS) -static' $(S390X:%=$(B)/s390x/%)

# Everything that the tests run, in this build directory; and of it what those
# run that the sanitizers watch.
testprogs: watchedprogs $(FREEBSD) $(B)/tests/breakout $(B)/strict/aoede
watchedprogs: $(B)/aoede $(B)/threads/aoede $(WIREPROGS:%=$(B)/tests/%) $(B)/tests/unit $(B)/tests/model $(B)/tests/freezemodel \
	$(B)/tests/replay_frame $(REPLAYS:%=$(B)/tests/replay_%) $(B)/tests/load $(B)/tests/slowdisk $(B)/tests/withoutcalls

# The whole suite.  A job is VARIANT+SCRIPT: strict is the daemon that ends when
# the sandbox would have to refuse something, asan has the sanitizers watching,
# late is strict over a network that gives transmit slots back late.  Most jobs
# mostly wait, so that some at a time get on well.  Whole machines, each of which
# takes a core, run after all these, two at a time and the longest first; then
# what measures, alone.  What fails soonest and tells most comes first.  One that
# fails holds up no other: the last lines name all that failed.  A make
# within a job has its own job server.
JOBS	= 4
PROVE = prove --timer --failures -j2
ALONE = timeout -k 30 1800 prove --timer --failures
FAILED = || { echo $@ >>obj/failed; false; }
SCRIPTS	= $(patsubst tests/%.t,%,$(wildcard tests/*.t))
FIRST	= build unit model wire cli docs
LAST	= lint disk freeze nic
MEASURING = fairness engine
MACHINES = vmpower vmnic vmdrbd vminitiators vmdisk
# What the sanitizers watch: the scripts that have the daemon do most.
WATCHED = unit model wire cli extensions statefile infofile freezemodel disk freeze nic soak
TOGETHER = $(FIRST:%=strict+%) strict+faults asan+model asan+freezemodel \
	$(patsubst %,strict+%,$(filter-out $(MEASURING) $(MACHINES) vmarch faults $(FIRST) $(LAST),$(SCRIPTS)) $(LAST)) \
	$(foreach v,$(FREEBSDS),$(patsubst %,$v+%,freeze disk nic wire)) freebsd+cli norings+nic norings+wire \
	aio+disk threads+disk threads+wire nowindow+disk nowindow+wire late+wire late+disk late+freeze \
	$(patsubst %,asan+%,$(filter-out model freezemodel,$(WATCHED))) fuzz bare
MEASURED = strict+fairness $(patsubst %,%+engine,default aio threads $(FREEBSDS))
check: ready
	$(MAKE) -j2 aoede testprogs obj/s390x/aoede $(VARIANTS:%=obj/%/aoede)
	$(MAKE) -j2 B=obj/asan SAN=address,undefined watchedprogs
	@rm -f obj/failed
	$(MAKE) -k -O -j$(JOBS) FUZZTIME=15 $(TOGETHER); $(MAKE) -k -j1 machines $(MEASURED); ! sed 's/^/check: failed: /' obj/failed 2>/dev/null

# All packages before anything is built, as scripts side by side would wait
# for each other's installations.  Where that, or root, is lacking, this fails at
# once, with a line; the exit status is make's own, 2.
ready:
	@tests/needpackages prove:perl -f $(patsubst %,tests/%.t,$(filter-out vmarch,$(SCRIPTS))) tests/vm.sh
	@tests/needpackages $(FUZZLIB)
	@[ "$$(id -u)" = 0 ] || { echo "check: network namespaces and mounts need root" >&2; exit 1; }

# Only some scripts: make test TESTS='unit cli'
test:
	@tests/needpackages prove:perl -f $(TESTS:%=tests/%.t)
	$(MAKE) -j2 testprogs $(if $(filter bigendian,$(TESTS)),$(B)/s390x/aoede)
	B=$(B) AOEDE=$(B)/strict/aoede $(PROVE) $(TESTS:%=tests/%.t)

# The two commands that the README promises, or make demo and some scripts, on
# a machine that has nothing yet: make fresh SUITE=trixie TESTS='unit cli'
fresh:
	tests/fresh.sh '$(SUITE)' 'make demo' '$(if $(TESTS),make test TESTS="$(TESTS)",make check)'

# The part of that which make check does, for the suite of this machine: what
# needs packages most.
bare:
	$(MAKE) fresh SUITE= TESTS='aoetools docs cli unit' $(FAILED)

B_asan	= obj/asan
DAEMON_asan = obj/asan/aoede
DAEMON_default = obj/aoede
DAEMON_late = obj/strict/aoede
ENV_late = LATE=300mbit
ENV_freebsd13 = SENDMTU=4082 NOPUNCH=1
VARIANT	= $(firstword $(subst +, ,$@))
$(filter-out fuzz bare,$(TOGETHER)) $(MEASURED):
	MAKEFLAGS= $(ENV_$(VARIANT)) B=$(or $(B_$(VARIANT)),obj) AOEDE=$(or $(DAEMON_$(VARIANT)),obj/$(VARIANT)/aoede) $(ALONE) tests/$(lastword $(subst +, ,$@)).t $(FAILED)

# What takes minutes on machines that are emulated comes with all:
#	make check-all
machines: testprogs
	B=obj $(ALONE) --comments -j2 $(MACHINES:%=tests/%.t) $(FAILED)
# Any number of power cuts, and the same ones again: make power CUTS=50 SEED=1
CUTS = 10
power: testprogs
	tests/needpackages prove:perl -f tests/vm.sh tests/vmpower.t
	B=obj prove --timer --failures tests/vmpower.t :: $(CUTS) $(SEED)
check-all: check
	B=obj $(PROVE) tests/vmarch.t $(MACHINES:%=tests/%.t) :: all

# For SOAKTIME seconds; tests/soak.sh says how to choose more.
SOAKTIME = 1800
soak: aoede testprogs $(VARIANTS:%=$(B)/%/aoede)
	B=$(B) SOAKTIME=$(SOAKTIME) DAEMONS='$(B)/strict/aoede $(VARIANTS:%=$(B)/%/aoede)' tests/soak.sh

install: $(B)/aoede
	install -d "$(DESTDIR)$(sbindir)" "$(DESTDIR)$(mandir)/man8"
	install -m 755 $(B)/aoede AoEded "$(DESTDIR)$(sbindir)"
	install -m 644 aoede.8 "$(DESTDIR)$(mandir)/man8"
	ln -sf aoede.8 "$(DESTDIR)$(mandir)/man8/AoEded.8"
ifeq ($(PLATFORM),linux)
	install -d "$(DESTDIR)$(unitdir)"
	./AoEded unit "$(sbindir)" >"$(DESTDIR)$(unitdir)/aoede@.service"
endif

uninstall:
	rm -f "$(DESTDIR)$(sbindir)/aoede" "$(DESTDIR)$(sbindir)/AoEded"
	rm -f "$(DESTDIR)$(mandir)/man8/aoede.8" "$(DESTDIR)$(mandir)/man8/AoEded.8"
	rm -f "$(DESTDIR)$(unitdir)/aoede@.service"

deb: $(B)/aoede
	rm -rf $(B)/deb
	$(MAKE) install DESTDIR=$(B)/deb prefix=/usr
	@B=$(B) tests/makedeb.sh

clean:
	rm -rf $(B) aoede

# Fuzz for so many seconds each, two at a time; only some with
# FUZZERS='shadow args'.
FUZZTIME = 60
FUZZLIB	= $$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$$(uname -m).a:libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev
fuzz:
	tests/needpackages clang:clang
	tests/needpackages $(FUZZLIB)
	$(MAKE) B=obj/fuzz CC=clang SAN=address,undefined OPT='-O2 -g -fsanitize=fuzzer-no-link' DEFS=-DLOG_RATE=1 $(FUZZERS:%=obj/fuzz/tests/fuzz_%)
	B=obj/fuzz tests/fuzz/fuzz.sh $(FUZZTIME) $(FUZZERS) $(FAILED)

# How much of the files that are the same on every system the tests execute.
# These tests make the difference; the others add hardly a line.
COVERAGE = unit model freezemodel wire extensions statefile nic
coverage:
	$(MAKE) B=obj/coverage CC=gcc OPT='-O0 -g --coverage' SANDBOX=0 DEFS='-include tests/coverage/exitcounts.h' testprogs
	B=obj/coverage tests/coverage/coverage.sh $(COVERAGE:%=tests/%.t)

.PHONY: machines power check-all $(TOGETHER) $(MEASURED) coverage soak fuzz install uninstall deb clean all demo bench testprogs watchedprogs check ready test fresh bare
