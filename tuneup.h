/*
 * Numbers that a builder may change.  Each says its unit, the range that
 * makes sense and what it costs.  Any of them can also be set on make's
 * command line: make DEFS=-DMAX_MTU=1500
 */

/*
 * Requests that an initiator may have outstanding, unless -b says
 * otherwise.  2 to 65535; the Linux driver starts with half of it and
 * never uses more than 64, 9front at most 128.
 */
#ifndef BUFCNT
#define BUFCNT 64
#endif

/*
 * The receive ring has room for this many times the buffer count, so that
 * several initiators can use all of theirs at once; what finds no room is
 * lost, and comes again when its initiator has lost patience.  1 or more; each
 * unit costs BUFCNT slots of MTU + 700 bytes for every NIC.  A ring that
 * would have over RX_MOST slots has that many, or the buffer count if that is
 * more.
 */
#ifndef RX_FACTOR
#define RX_FACTOR 4
#endif
#ifndef RX_MOST
#define RX_MOST 8192
#endif

/*
 * Slots of a NIC's transmit ring, at least 2 * TURN_FRAMES; each costs
 * MTU + 700 bytes.  A reply keeps its slot until the NIC has sent it;
 * replies that find none wait, and are copied once more.  A ring that fits in
 * the processor's second-level cache is faster: 64 slots read 5 to 13 per
 * cent more than 256.
 */
#ifndef TX_SLOTS
#define TX_SLOTS 128
#endif

/*
 * Frames taken from one NIC in one turn of the loop, 1 to 1024.  More of
 * them join into longer disk transfers and share a system call; fewer
 * leave the NICs and initiators more evenly served and the first reply of
 * a turn sooner on the wire.
 */
#ifndef TURN_FRAMES
#define TURN_FRAMES 32
#endif

/*
 * Largest MTU made use of, in bytes, 534 to 65535.  An interface with a
 * larger one is served as if it had this one.
 */
#ifndef MAX_MTU
#define MAX_MTU 9216
#endif

/*
 * Most network interfaces on the command line.  Without the definition
 * there is no limit.
 */
#ifndef MAX_NICS
#define MAX_NICS 32
#endif

/*
 * Bytes of a block of the packet rings: a power of two, a multiple of the
 * page size that holds a slot of the largest frame.  The kernel looks for
 * this much memory in one piece, and takes scattered pages where there is
 * none; what is left over at a block's end is wasted.
 */
#ifndef RING_BLOCK
#define RING_BLOCK 131072
#endif

/*
 * Seconds between two advertisements of the target to all initiators, on each
 * interface; 0: only when something has changed.  An initiator that did not
 * hear the first, as its switch was not forwarding yet, finds the disk by the
 * next, and need not wait for its own query, which Linux sends once a minute.
 */
#ifndef ADVERTISE_S
#define ADVERTISE_S 10
#endif

/*
 * Messages about failed disk transfers printed each second, and about new
 * initiators, refused ones, and targets of the same address each minute.
 * Those beyond are counted, and the next message says how many they were.  A
 * dying disk under an initiator that tries again would fill the log otherwise.
 */
#ifndef LOG_RATE
#define LOG_RATE 10
#endif

/*
 * How disk operations are kept in flight: 1 io_uring, or what comes next
 * where the system has none; 2 Linux native AIO with -d, and otherwise
 * what comes next; 3 threads.
 */
#ifndef ENGINE
#define ENGINE 1
#endif

/*
 * Threads for the disk operations that nothing else can do, 1 or more.  With
 * ENGINE 3 it is how many operations the disk works on at a time.
 */
#ifndef ENGINE_THREADS
#define ENGINE_THREADS 8
#endif

/*
 * Initiators that may have as many requests under way as the buffer count
 * allows, all at the same time: 1 to 32768.  Requests under way are this many
 * times the buffer count, but 64 at least and 65536 at most; those that come
 * when there are so many are dropped.  Once there are three quarters as many,
 * those of an initiator are dropped that has an eighth of them.  Each costs
 * 2 KiB, and with data that has waited for disk or network the size of a frame.
 */
#ifndef CROWD
#define CROWD 16
#endif

/*
 * Initiators of whom something is remembered: what they have negotiated,
 * and with tag tracking their writes.  1 to 65536; those whose writes are
 * tracked take up to 1 MiB each.  One more makes the target forget the one
 * that was silent longest.
 */
#ifndef INITIATORS
#define INITIATORS 64
#endif

/*
 * Milliseconds for which a page that was in the page cache is believed to
 * be there still.  Longer saves looking again; shorter has the loop wait
 * less often for a page that the system has dropped meanwhile.
 */
#ifndef RESIDENT_MS
#define RESIDENT_MS 1000
#endif

/*
 * Milliseconds that a write into the page cache may take before writes are
 * left to the engine, for a second at first, and for longer each time that
 * they are found slow again.
 */
#ifndef SLOW_MS
#define SLOW_MS 5
#endif

/*
 * Microseconds for which the loop, after it has served something, looks for
 * more before it sleeps: about what it costs to be woken.  An initiator that
 * sends its next request sooner is served several times as fast; that keeps a
 * processor busy as long as it goes on.  It is not done where requests come
 * more slowly.  0: sleep at once.
 */
#ifndef SPIN_US
#define SPIN_US 20
#endif

/*
 * MiB of the block buffer, with -d and -w only, unless -c says otherwise.
 * 1 to 1048576; it is memory that the process really uses once it is warm.
 */
#ifndef POOL_MIB
#define POOL_MIB 32
#endif

/*
 * Milliseconds that a write may stay in the block buffer with -w, 1 to
 * 3600000: what the death of aoede may cost.
 */
#ifndef FLUSH_MS
#define FLUSH_MS 2000
#endif

/*
 * Milliseconds after which data in the shadow, or moved from there, must be
 * found again though the power fails, whether anyone flushes or not; 1 to
 * 3600000.  It takes a sync so often while the image is frozen or merged and
 * sectors are written to for the first time since; a write that was answered
 * and that the kernel or the device has brought to the disk is safe so much
 * later at the latest.
 */
#ifndef HARDEN_MS
#define HARDEN_MS 3000
#endif

/*
 * Milliseconds between two writes of the state file (-S), 1 to 3600000, when
 * initiators change config string, masks or reservation all the time; a few
 * changes are written at once.  Answers to such changes come no faster.
 */
#ifndef STATE_MS
#define STATE_MS 1000
#endif
