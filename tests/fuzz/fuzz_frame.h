/*
 * What an input of fuzz_frame.c consists of; see there.
 */
enum {
	/* the first byte: options */
	Freadonly	= 0x01,		/* -r */
	Fsync		= 0x02,		/* -s */
	Fmasked		= 0x04,		/* -m with one MAC, the second of four */
	Fdirect		= 0x08,		/* -d, without a pool */
	Fnowindow	= 0x10,		/* the image can't be mapped */
	Fcold		= 0x20,		/* the page cache is empty */
	Flate		= 0x40,		/* few transmit slots, which come back only at a Rturn without more bits */
	Fmaskused	= 0x100,	/* the oracle's own: the list was edited */

	/* records */
	Rframe		= 0,
	Rraw		= 1,
	Rturn		= 2,
	Rfault		= 3,
	Rheal		= 4,
	Rmtu		= 5,
	Rsize		= 6,
	Rframe2		= 7,

	/* how a frame of Rframe is addressed */
	Hmac		= 0x03,		/* from which of four MACs; the last is a group's */
	Hbroadcast	= 0x04,		/* to everyone */
	Hours		= 0x08,		/* its version, shelf and slot are made right */
	Hpattern	= 0x10,		/* data that is not given is no zeros */
};
