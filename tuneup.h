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
 * several initiators can use all of theirs at once.  1 or more; each unit
 * costs BUFCNT slots of MTU + 700 bytes for every NIC.
 */
#ifndef RX_FACTOR
#define RX_FACTOR 4
#endif

/*
 * Slots of a NIC's transmit ring, at least 2 * TURN_FRAMES; each costs
 * MTU + 700 bytes.  A reply keeps its slot until the NIC has sent it.  A
 * ring that fits in the processor's second-level cache is faster: 64 slots
 * read 5 to 13 per cent more than 256.
 */
#ifndef TX_SLOTS
#define TX_SLOTS 64
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
 * Messages about failed disk transfers printed each second; those beyond
 * are counted, and the next message says how many they were.  A dying disk under an initiator
 * that tries again would fill the log otherwise.
 */
#ifndef LOG_RATE
#define LOG_RATE 10
#endif
