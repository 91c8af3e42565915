/*
 * Numbers that a builder may change.  Each comment gives the unit, the
 * sensible range and the cost.  They can also be set on make's command line:
 * make DEFS=-DMAX_MTU=1500
 */

/*
 * Requests that an initiator may have outstanding, unless -b says otherwise: 2
 * to 65535.  The Linux driver starts with half of them and never uses more
 * than 64, 9front at most 128.
 */
#ifndef BUFCNT
#define BUFCNT 64
#endif

/*
 * How many initiators can use all their buffers at once: 1 or more.  A receive
 * ring has slots for so many times the buffer count, and for the frames of a
 * turn.  A frame that finds no slot is lost until its initiator sends it again,
 * after a tenth of a second or so.  Each unit costs BUFCNT slots of MTU + 700
 * bytes for every NIC.  Without those for a turn a ring has at most RX_MOST slots,
 * or the buffer count if that is more.
 */
#ifndef RX_FACTOR
#define RX_FACTOR 8
#endif
#ifndef RX_MOST
#define RX_MOST 8192
#endif

/*
 * Slots of a NIC's transmit ring, at least 2 * TURN_FRAMES; each costs MTU +
 * 700 bytes.  A reply keeps its slot until the NIC has sent it.  A reply that
 * finds no slot waits and is copied once more.  A ring that fits into the
 * processor's second-level cache is faster: reads are 5 to 13 per cent faster
 * with 64 slots than with 256.
 */
#ifndef TX_SLOTS
#define TX_SLOTS 128
#endif

/*
 * Frames taken from one NIC in one turn of the loop, 1 to 1024.  With more
 * frames, longer disk transfers can be joined and system calls shared.  With
 * fewer, NICs and initiators are served more evenly, and the first reply of a
 * turn leaves sooner.
 */
#ifndef TURN_FRAMES
#define TURN_FRAMES 32
#endif

/*
 * Largest MTU used, in bytes, 534 to 65535.  An interface with a larger MTU is
 * served as if it had this one.
 */
#ifndef MAX_MTU
#define MAX_MTU 9216
#endif

/*
 * Largest number of network interfaces.  Without the definition there is no
 * limit.
 */
#ifndef MAX_NICS
#define MAX_NICS 32
#endif

/*
 * Bytes of a block of the packet rings: a power of two and a multiple of the
 * page size, large enough for a slot of the largest frame.  The kernel prefers
 * contiguous memory for a block, but can use scattered pages.  Space at a
 * block's end that is too small for a slot is wasted.
 */
#ifndef RING_BLOCK
#define RING_BLOCK 131072
#endif

/*
 * Seconds between advertisements of the target on each interface; 0: advertise
 * only changes.  An initiator that missed the first advertisement, because its
 * switch was not forwarding yet, finds the disk by the next.  Otherwise it
 * would have to wait for its own query, which Linux sends once a minute.
 */
#ifndef ADVERTISE_S
#define ADVERTISE_S 10
#endif

/*
 * Messages printed at most about failed disk transfers each second, and about
 * new initiators, refused ones, and targets of the same address each minute.
 * Those beyond are counted, and a later message gives the count.  Without the
 * limit, a failing disk and an initiator that retries would fill the log.
 */
#ifndef LOG_RATE
#define LOG_RATE 10
#endif

/*
 * How disk operations are carried out beside the loop. 1: io_uring, or else 2.
 * 2: Linux native AIO with -d, or else 3. 3: threads.
 */
#ifndef ENGINE
#define ENGINE 1
#endif

/*
 * Threads for disk operations, 1 or more.  Without -d, or with ENGINE 3, the disk
 * works on at most so many reads of what is not in memory at a time.  Otherwise
 * threads do only what io_uring or AIO can't.  More of them suit a disk that is
 * far away.  On a fast one and a busy processor, random reads are up to a tenth
 * faster with 8 or 16.
 */
#ifndef ENGINE_THREADS
#define ENGINE_THREADS 32
#endif

/*
 * Initiators that may use their whole buffer count at the same time: 1 to
 * 32768.  This many times the buffer count, but 64 at least and 65536 at most,
 * is the limit of requests under way; those beyond it are dropped.  Above
 * three quarters of the limit, the requests of any initiator that holds an
 * eighth of it are dropped, too.  Each request costs 2 KiB, and once its data
 * has waited for disk or network, the size of a frame.
 */
#ifndef CROWD
#define CROWD 16
#endif

/*
 * Initiators whose negotiated features, and with tag tracking whose writes,
 * are remembered: 1 to 65536.  Tracked writes take up to 1 MiB an initiator.
 * When there are more, the one that was silent longest is forgotten.
 */
#ifndef INITIATORS
#define INITIATORS 64
#endif

/*
 * Milliseconds for which a page once seen in the page cache is assumed to be
 * there still.  A longer time saves system calls.  With a shorter one the loop
 * waits less often for a page that the system has dropped meanwhile.
 */
#ifndef RESIDENT_MS
#define RESIDENT_MS 1000
#endif

/*
 * Milliseconds that a write into the page cache may take.  After a slower one,
 * writes are left to the engine: for a second at first, and longer each time
 * that they are slow again.
 */
#ifndef SLOW_MS
#define SLOW_MS 5
#endif

/*
 * Microseconds for which the loop, after serving a request, polls for more
 * before it sleeps: about the cost of a wake-up.  An initiator that sends its
 * next request within this time is served several times as fast, at the cost
 * of a busy processor.  The loop stops polling where requests come more
 * slowly. 0: sleep at once.
 */
#ifndef SPIN_US
#define SPIN_US 20
#endif

/*
 * MiB of the block buffer, which exists with -d and -w only, unless -c says
 * otherwise: 1 to 1048576.  All of this memory is used after a while.
 */
#ifndef POOL_MIB
#define POOL_MIB 32
#endif

/*
 * Milliseconds that a write may stay in the block buffer with -w, 1 to
 * 3600000.  That much is lost if aoede dies.
 */
#ifndef FLUSH_MS
#define FLUSH_MS 2000
#endif

/*
 * Milliseconds after which data in the shadow, or moved from it, survives a
 * power failure even if no initiator flushes: 1 to 3600000.  While the image
 * is frozen or being merged, aoede syncs this often if sectors were written
 * for the first time since.  A write that the kernel or the device has brought
 * to the disk becomes reachable after a power failure this much later at the
 * latest.
 */
#ifndef HARDEN_MS
#define HARDEN_MS 3000
#endif

/*
 * Milliseconds between writes of the state file (-S), 1 to 3600000, when
 * initiators change config string, masks or reservation all the time.  A few
 * changes are written at once.  Answers to changes wait for the write.
 */
#ifndef STATE_MS
#define STATE_MS 1000
#endif
