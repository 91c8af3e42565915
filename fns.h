/*
 * Every function that one file offers to others, by the file that defines it.
 * Sectors have 512 bytes; sizes and offsets are in bytes where the name or the
 * comment says so.
 */

/* aoe.c */

/*
 * Read the command line into c.  Returns NULL, or a sentence that names the
 * bad argument and what was expected.
 */
char	*getconf(Conf *c, int argc, char **argv);

/*
 * Check and serve one frame of len bytes that was received by n.  The answer,
 * if any, is put into n's transmit ring now or by the next bufcommit.  The
 * frame must stay in place until then.
 */
void	frame(Nic *n, uchar *f, uint len);

/* Set up, from c, all that frame needs.  Returns -1 when there is no memory. */
int	aoeinit(Conf *c);

/*
 * Read the config string, the mask list and the reservation from the file that
 * -S names, if it exists, and save changes to it from now on.  Returns NULL,
 * or a sentence saying why that failed; then nothing has changed.
 */
char	*aoerestore(void);

/* Serve frames that n has received, at most TURN_FRAMES.  Returns how many. */
int	takeframes(Nic *n);

/*
 * Move waiting answers to n's transmit ring, as far as there are slots.  Drop
 * them if n can no longer be used.
 */
void	sendwaiting(Nic *n);

/* ata.c */

/*
 * Set the serial number for IDENTIFY DEVICE, at most 20 characters, and the
 * state that SET FEATURES may change.  readonly and sync are Conf's.
 */
void	atainit(char *serial, int readonly, int sync);

/*
 * Carry out an ATA command.  a->done is called, now or later, with the answer's
 * registers or an AoE error.
 */
void	ata(Ata *a);

/*
 * Fail the command, as the device has gone.  buf.c must not complete it later.
 */
void	ataabandon(Ata *a);

/*
 * Returns Oread if the command reads sectors of the disk for the initiator,
 * Owrite if it brings data from the initiator, else -1.  r is set to its LBA
 * and its sectors of data.
 */
int	atamoves(uint cmd, uint count, uchar *lba, Range *r);

/* tags.c */

/*
 * Forget every initiator.
 */
void	hostinit(void);

/* Returns what is known of an initiator, or NULL. */
Host	*hostfind(uvlong who);

/* Forget the initiator's features and its tags. */
void	hostreset(Host *h);

/*
 * Returns the memory of an initiator's writes, creating it if needed.  NULL
 * when there is no memory.
 */
Tags	*hosttags(uvlong who);

/*
 * Switch on the feature of this name for an initiator, and forget its tags.
 * Returns 0 when there is no such feature, or it is crc8x4 and crcfits is 0,
 * as no frame can hold a sector and its CRC.
 */
int	hostfeature(uvlong who, const char *name, int crcfits);

/* Note that an initiator's network is congested until then. */
void	hostslow(uvlong who, uvlong until);

/*
 * Note that a request is under way.  Returns 0, without noting it, when its
 * twin is.  The caller keeps t until tagsleave.
 */
int	tagsenter(Twin *t);

/* The request is no longer under way. */
void	tagsleave(Twin *t);

/* Forget all requests under way. */
void	tagsclear(void);

/* Create a memory of the last n requests, or return NULL. */
Recent	*recentnew(uint n);

/* Is the request's twin remembered?  If not, remember the request. */
int	recentseen(Recent *h, const Twin *t);

/* Forget all requests, as none of their twins can still come. */
void	recentclear(Recent *h);

/* Create an empty memory of writes, or return NULL. */
Tags	*tagsnew(void);

void	tagsforget(Tags *t);

/*
 * Returns the place of a tag in the initiator's 64-bit count.  A tag that is
 * far from the last one makes t forget.
 */
uvlong	tagsplace(Tags *t, uint tag);

/* Has a write with this place, command, LBA and count been done? */
int	tagsseen(Tags *t, uvlong place, uvlong what);

/* Remember that it is done. */
void	tagsdone(Tags *t, uvlong place, uvlong what);

/* buf.c */

/*
 * Export length sectors of the disk from sector offset on, all to the end if
 * length is 0.  Returns -1, and changes nothing, when the disk has fewer.  May
 * be called again when the disk's size has changed.
 */
int	bufinit(uvlong offset, uvlong length);

/*
 * Allocate memory for n requests under way at a time.  To be called while none
 * is.  Returns -1 when there is no memory.
 */
int	bufrequests(uint n);

/* Returns the number of sectors exported. */
uvlong	bufsize(void);

/*
 * Returns the size of the disk's physical sectors, and how far into one the
 * export begins, both in sectors.
 */
void	bufalign(uint *off, uint *size);

/* Returns Disk.rotation. */
int	bufrotation(void);

/*
 * Take a request.  The caller has checked its range.  The next bufcommit
 * begins it.
 */
void	bufio(Io *io);

/*
 * Begin the collected requests, in an order whose effect equals that of their
 * arrival, and call done for those that finish at once.  To be called after
 * bufio and after enginereap.
 */
void	bufcommit(void);

/* Is any request under way? */
int	bufbusy(void);

/*
 * Returns the milliseconds after which bufcommit must be called even if
 * nothing happens, or -1.
 */
int	bufwait(void);

/*
 * Set up freezing.  Arguments and result are freezeinit's.  To be called once,
 * after bufinit and before any request.
 */
char	*bufshadow(char *path, uvlong mib, int readonly);

/*
 * Begin to freeze, or to unfreeze.  Returns NULL, or why that can't be.
 */
char	*buffreeze(int on);

/* No more requests will come: stop reading ahead and merging. */
void	bufclose(void);

/*
 * Create a pool of mib MiB, for direct I/O or writebehind (-w).  To be called
 * once, before any request.  Returns -1 when there is no memory.
 */
int	bufpool(uint mib, int writebehind);

/* cache.c: the pool.  Sectors are those of the image. */

/* Create a pool of mib MiB.  Returns -1 when there is no memory. */
int	poolinit(uint mib);

/* Returns the pool's size in sectors; 0 without a pool. */
uint	poolsize(void);

/* Count a request: the pool measures time in requests. */
void	poolclock(void);

/* Are all these sectors valid? */
int	poolhas(uvlong s, uint n);

/* Copy those of these sectors that are valid to to. */
void	poolget(uchar *to, uvlong s, uint n);

/* Prefetch these sectors into the processor's cache. */
void	poolfetch(uvlong s, uint n);

/*
 * Keep sectors read from the disk where the pool has nothing newer.  ahead:
 * nobody has asked for them yet.
 */
void	poolfill(uchar *from, uvlong s, uint n, int ahead);

/* Note sectors written to the disk.  keep: new blocks may be made for them. */
void	poolwritten(uchar *from, uvlong s, uint n, int keep);

/*
 * A write has failed, so the disk's content of these sectors is unknown.
 * Dirty sectors stay valid.
 */
void	pooldistrust(uvlong s, uint n);

/* Forget sectors, dirty or not. */
void	pooldrop(uvlong s, uvlong n);

/* Take dirty sectors.  Returns 0 when the pool is full. */
int	poolput(uchar *from, uvlong s, uint n);

/*
 * Returns the number of sectors in 4096-byte pages with dirty sectors.  They
 * take up so much space in a file.
 */
uint	pooldirty(void);

/* Do blocks with dirty sectors take up half of the pool? */
int	poolcrowded(void);

/* Begin a pass over the dirty sectors, roughly in the order of the disk. */
void	poolpass(void);

/*
 * Find the next dirty sectors of the pass that follow each other, at most max.
 * Sets *s to the first and returns how many. 0 means that this call found
 * none; the pass may go on.
 */
uint	poolnext(uint max, uvlong *s);

/* Has the pass ended? */
int	poolpassed(void);

/* Returns how many of the n sectors from s on precede the first dirty one. */
uint	poolclean(uvlong s, uint n);

/*
 * Copy the dirty sectors from s on, up to n or the first that isn't dirty, to
 * be written.  Returns how many; they are flying until poollanded.
 */
uint	poollift(uchar *to, uvlong s, uint n);

/*
 * That write has ended.  Unless ok is set its sectors are dirty again.  They
 * stay valid if keep is set.
 */
void	poollanded(uvlong s, uint n, int ok, int keep);

/* Have enough of the blocks read ahead lately been used? */
int	poolpays(void);

/* cache.c: what is known of the page cache */

/*
 * Map size bytes of a file.  With 0 the mapping is no longer used, but stays:
 * unmapping may take long, and is left to shadowremove.
 */
void	windowopen(int file, uvlong size);

/* Returns the bytes mapped; 0 if there is no mapping. */
uvlong	windowsize(int file);

/* May the image's mapping be used now? */
int	windowused(void);

/* Are these bytes mapped and, as far as is known, all in the page cache? */
int	windowhas(int file, uvlong off, size_t len);

/* The same, of the page that contains this byte. */
int	windowpage(int file, uvlong off);

/* Copying from a mapping has waited or failed: don't use it for a while. */
void	windowclose(void);

/* Forget what is known of pages. */
void	windowforget(void);

/* Tell the time, from microseconds. */
void	windowtime(uvlong us);

/* freeze.c */

/*
 * length sectors of the image from offset on are exported.  Not to be called
 * while there is a shadow.
 */
void	freezeexport(uvlong offset, uvlong length);

/*
 * Freezing shall use the shadow of this path, or none if shadow is NULL.  The
 * shadow holds at most mib MiB; 0: no limit.  Continues a freeze or merge that
 * was under way.  Returns NULL, or a sentence saying why the image can't be
 * served.  To be called once, before any request.
 */
char	*freezeinit(char *shadow, uvlong mib, int readonly);

/* One of Fnone, ... */
int	freezestate(void);

/*
 * Begin to freeze, or to unfreeze.  Returns NULL, or why that can't be now.
 */
char	*freeze(void);
char	*unfreeze(void);

/* The image can't be frozen: give up the freeze that has begun. */
void	freezecancel(void);

/*
 * Is there a job for the engine in the present state?  Returns 0, or Jobapart
 * or Jobsync and fills in all of o but done.  Jobsync is not returned while
 * syncing, that is, while a sync is under way.  quiet says: in Fpreparing, that
 * all answered writes are on the disk; in Fstopping, that no write is under
 * way; in Fmerging, that nothing concerning the shadow is.  There is one job
 * at a time.
 */
int	freezejob(Op *o, int quiet, int syncing);

/*
 * The job has ended.  Returns the errno of a sync that failed and may have
 * lost writes, or 0.
 */
int	freezejobdone(Op *o);

/*
 * Find the newest data of sector lba.  Returns how many of the n sectors from
 * lba on follow each other there.
 */
uint	freezemap(uvlong lba, uint n, Home *h);

/* Which file shall be written to now? */
int	freezehome(void);

/* Returns the offset of sector lba in this file, in bytes. */
uvlong	freezeplace(uvlong lba, int file);

/* Returns the shadow's size in bytes. */
uvlong	freezesize(void);

/*
 * May n sectors be written now, if pending others are yet to be written to the
 * same file?
 */
int	freezefits(uvlong lba, uint n, uvlong pending);

/*
 * Note that this file was written to, and that the newest data of these
 * sectors is there; hole: they were trimmed.  Nothing may be answered before
 * freezesave returns 0.  Returns -1 when there is no memory.  Not to be
 * called while the engine carries out a freezesave.
 */
int	freezenote(uvlong lba, uint n, int file, int hole);

/*
 * Note that these sectors may no longer be holes, as a failed write to the
 * shadow may have been done in part.
 */
void	freezefilled(uvlong lba, uvlong n);

/* Returns how many pieces of the map have yet to be saved. */
int	freezeunsaved(void);

/*
 * Save noted changes, so that they survive our process: all of them if wait is
 * set, which may wait for the disk, or those whose pages of the map are in
 * memory.  Returns how many pieces are left, or -1 with errno.  A piece for
 * which there was no room is not tried again, nor counted, until freezenote
 * has more for it.
 */
int	freezesave(int wait);

/*
 * Returns the milliseconds after which a sync must begin even if nobody asks
 * for one, or -1.  Data in the shadow must be found again after a power
 * failure.
 */
int	freezewait(void);

/*
 * A sync is about to begin: note what it must cover.  Returns -1 when there is
 * no memory.
 */
int	freezesnap(void);

/* An Owork's work: carry out that sync. */
void	freezesync(Op *o);

/*
 * That sync has ended, with this error or 0.  Returns 0, an errno, or
 * Unanswered when only the shadow had no space.
 */
int	freezesynced(int error);

/*
 * Judge the errno of a write to the shadow.  When there was no space, logs
 * that and returns Unanswered; otherwise returns error.
 */
int	freezefull(int error);

/*
 * Find the next sectors to move to the image.  They follow each other in the
 * shadow.  Sets *lba to the first and returns how many, at most max; 0 when
 * there are none.  *hole says that they were trimmed and are a hole; then
 * there may be more than max.
 */
uint	freezenext(uint max, uvlong *lba, int *hole);

/* While merging: log the progress when it is time. */
void	freezetick(void);

/* Log the state if it is not Fnone. */
void	freezereport(void);

/* Returns how much of a merge is done, in per cent. */
uint	freezemerged(void);

/* Log that a freeze or unfreeze (what) is not done, and why. */
void	freezerefused(const char *what, const char *reason);

/* Returns the last such message, or an empty string. */
char	*freezerefusal(void);

/* crc.c */

/* Put the CRC8x4 of the n bytes at p into the four bytes at crc. */
void	crc8x4(uchar *crc, const uchar *p, size_t n);

/* Returns the CRC-32 (IEEE 802.3) of n bytes. */
uint	crc32(const void *data, uint n);

/* posix.c */

/*
 * Undo inherited state that could do harm: open standard files that are
 * closed, stop ignoring and blocking signals.  Ignore signals that a failing
 * write raises.
 */
void	freshstart(void);

/*
 * From now on no message waits: it is lost when standard output or error is
 * full.  The journal gets levels with the messages.  nowait makes writes to a
 * pipe or terminal fail rather than wait.
 */
void	logopen(void (*nowait)(int fd));

/*
 * Write a line to the standard output; fmt has no newline.  The other
 * functions write to the standard error output, like those of err(3).
 */
void	say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void	err(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void	errx(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The time since some moment in the past; it never goes back. */
uvlong	microseconds(void);

/*
 * Returns a sentence that says why something failed.  It is valid until the
 * next call.
 */
char	*sentence(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * May another message of this kind be printed?  Those that may not are
 * counted, and later the count is logged as "more" of what.
 */
int	maysay(Few *f, const char *what);

/*
 * After an event: is it worth polling for the next for SPIN_US, or shall the
 * loop sleep at once?  The caller reports the result of a poll to looked.
 * While more than half of the polls find something, nearly all are worth it.
 * When events come more slowly one in 64 is, so that shorter gaps are noticed.
 */
int	worthlooking(Looks *l);
void	looked(Looks *l, int found);

/*
 * Send a message to the service manager that started us (sd_notify(3)), by the
 * socket that notifyopen was given, -1 if it wants none.  Only READY may wait.
 */
void	notifyopen(int fd);
void	notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* posix.c: directories, and files in them */

/*
 * Open the directory of a file, which need not exist, for use in the sandbox,
 * too.  Returns its descriptor, or -1 with errno.  dir gets its path, in
 * PATH_MAX bytes, and *name the file's name in it.
 */
int	opendirectory(char *path, char *dir, char **name);

/*
 * Set *list to the directories that opendirectory has opened.  Returns how
 * many there are.
 */
uint	directories(int **list);

/*
 * Open a file in a directory.  Fails with ELOOP if it is a symbolic link.  A
 * file created by this has mode 0600.
 */
int	openplain(int dir, char *name, int flags);

/*
 * Lock a file (flock(2)).  Waits up to a second, as some programs hold a lock
 * for a moment, like udev when it probes a device.  Returns -1 with errno.
 */
int	lockfile(int fd, int how);

/*
 * Read or write (op is Oread or Owrite) all len bytes at off.  Calls pread(2)
 * or pwrite(2) again after a short transfer or EINTR.  Returns 0, or -1 with
 * errno, EIO if the file ends before.
 */
int	exactly(int fd, int op, void *buf, size_t len, uvlong off);

/*
 * Does the file's file system support holes?  Returns 0 if so, or -1 with
 * errno, EOPNOTSUPP if not.  This test leaves the file 1 MiB long, all hole.
 */
int	hasholes(int fd);

/* diskdata for a descriptor. */
uvlong	filedata(int fd, uvlong off, uvlong *end);

/*
 * Open and lock the state file, and read at most size bytes of it into buf.
 * Sets *len to their number, -1 if there is no such file.  Returns NULL, or a
 * sentence saying why it can't be used.  To be called once, before disarm.
 */
char	*stateopen(char *path, uchar *buf, size_t size, ssize_t *len);

/*
 * Replace the state file by these bytes, atomically and on stable storage.
 * Waits for the disk.  Returns -1 with errno; then the old file may still be
 * there.
 */
int	statesave(uchar *buf, size_t len);

/* Returns the state file's descriptor, or -1 while there is none. */
int	statefd(void);

/*
 * Keep the info file at this path.  Returns NULL, or a sentence saying why
 * that is impossible.  To be called once, before disarm.
 */
char	*infoopen(char *path);

/*
 * Replace the info file by this text.  May wait for the disk.  Returns -1 on
 * failure; the caller need only try again.
 */
int	infowrite(const char *text, size_t len);

/* Remove the info file. */
void	inforemove(void);

/* posix.c: the shadow, and the image's mark.  All of them may wait for the disk. */

/*
 * shadowdir, with what differs between systems.  flags are added to open(2)'s
 * for the shadow.  attach makes it the file Shadow when it is open and locked as
 * fd and has this name in dir; detach undoes that before fd is closed.
 * renamenew renames a file without replacing another.  attach and renamenew
 * return -1 with errno, renamenew EEXIST if the new name exists.
 */
char	*shadowat(char *path, int flags, int (*attach)(int fd, int dir, char *name, int readonly),
		void (*detach)(void), int (*renamenew)(int dir, char *from, char *to));

/* Returns the directory of shadowat, open, or -1. */
int	shadowdirfd(void);

/* Returns the shadow's absolute path. */
char	*shadowpath(void);

/*
 * Open and lock the shadow; if readonly is set, for reading, shared with other
 * readers.  Returns 1, or 0 when there is none; either is stable.  Returns -1
 * with errno, EWOULDBLOCK if another program has locked it.
 */
int	shadowopen(uvlong *size, int readonly);

/*
 * Create a shadow of this size in bytes, all holes, locked, under a temporary
 * name.  Returns -1 with errno, EOPNOTSUPP if its file system has no holes.
 */
int	shadowmake(uvlong size);

/* Returns the bytes that the shadow takes up on its file system. */
uvlong	shadowtakes(void);

/*
 * Give the shadow its name, stably.  Returns -1 with errno, EEXIST if
 * something else has the name.
 */
int	shadowname(void);

/*
 * Unmap the shadow and remove it, stably, whichever name it has.  Its space is
 * freed at once, or by shadowfree if later is set.  Returns -1 with errno.
 */
int	shadowremove(int later);

/*
 * Free a piece of the space of a removed shadow.  Freeing much space at once,
 * with discards above all, delays syncs of other files there by seconds.
 * Returns the milliseconds after which the next piece is due, or -1 when all
 * is free.  There may be another shadow meanwhile.
 */
int	shadowfree(void);

/*
 * imagemark and imagemarked, with what differs between systems: putmark sets
 * the mark's text, or removes the mark if it is NULL; getmark reads the text and
 * returns its length, or -1.
 */
int	markset(int mark, int (*putmark)(char *text));
int	markfind(ssize_t (*getmark)(char *text, size_t size), char *path, size_t size);

/*
 * Lock the image, which is open as fd; if readonly is set, shared with other
 * readers.  Returns NULL, or a sentence saying why that failed.
 */
char	*imagelock(int fd, char *path, int readonly);

/* posix.c: windows */

/*
 * Map size bytes of a file, which is open as fd, and undo its old mapping.
 * With size 0 nothing is mapped.  Returns -1 when nothing is mapped.
 */
int	windowmap(int file, int fd, uvlong size, int writable);

/* Does the mapping reach this offset? */
int	windowspans(int file, uvlong end);

/* Make copies that raise this signal fail, like those that raise SIGBUS. */
void	catchfault(int sig);

/*
 * For each page of the mapping from off on, set the low bit of a byte of vec
 * if it is in memory (mincore(2)).  off is a multiple of the page size.
 */
int	diskincore(int file, uvlong off, size_t len, uchar *vec);

/* Prefetch what diskcopy will copy into the processor's cache. */
void	diskprefetch(int file, uvlong off, size_t len);

/*
 * Touch len bytes at off of the mapping.  Returns -1 when they can't be read.
 * Waits for the disk when they are not in memory.
 */
int	disktouch(int file, uvlong off, size_t len);

/*
 * Copy len bytes at off of the mapping.  Returns -1 when they can't be
 * read.  Waits for the disk when they are not in memory.
 */
int	diskcopy(uchar *to, int file, uvlong off, size_t len);

/*
 * Copy len bytes to off of the shadow's mapping, and so into the page cache,
 * like a write.  All three are multiples of 4, and of each four bytes a kill
 * leaves all or none.  Returns -1 when that is impossible or less safe than a
 * write; a part may have been done, and the caller must use diskwrite.  Waits for the
 * disk when the page isn't in memory.
 */
int	diskstore(int file, uvlong off, const void *from, size_t len);

/* Returns how often diskcopy has waited for the disk. */
uvlong	diskstalls(void);

/*
 * Returns how often the loop has slept, in poll or waiting for the disk.
 * Waiting for a processor does not count.
 */
uvlong	disksleeps(void);

/* posix.c: operations */

/*
 * Start ENGINE_THREADS threads.  For each operation a thread calls carry,
 * which may wait, and then wake, which wakes the loop.  The calling thread
 * keeps all signals but those that a thread raises itself.  Returns -1 with
 * errno when no thread can be started.
 */
int	threadsstart(void (*carry)(Op*), void (*wake)(void));

/* Give an operation to a thread. */
void	threadsadd(Op *o);

/* Is there an operation for threadsended to return? */
int	anyended(void);

/* Returns an operation that a thread has ended, or NULL. */
Op	*threadsended(void);

/* Is it a read or a write? */
int	istransfer(Op *o);

/* n bytes of the operation have been moved: remove them from its vector. */
void	opadvance(Op *o, size_t n);

/* Note when an operation begins.  When it has ended, count its duration and call done. */
void	opbegin(Op *o);
void	opdone(Op *o);

/* linux.c, freebsd.c: the network */

/*
 * Open the interface n->name, for receive rings of RX_FRAMES(bufcnt) frames.
 * Only frames for shelf and slot, or for all of them, will be received.
 * Returns NULL, or a sentence saying why it can't be used.  An interface that
 * is down is no error (packet(7), packet_mmap.rst).
 */
char	*nicopen(Nic *n, int shelf, int slot, int bufcnt);

/*
 * Update n->up, n->ea and n->mtu from the interface's present state.  Returns
 * Nicsame, Nicdown, Nicup or Nicagain.
 */
int	niccheck(Nic *n);

/* Returns the descriptor to poll and the events to poll it for. */
int	nicpoll(Nic *n, short *events);

/* Clear an error that poll reported for the descriptor. */
void	nicerror(Nic *n);

/*
 * Returns the next frame received, its length in *len, or NULL when there is
 * none.  It is lent until nicrelease.
 */
uchar	*nicrecv(Nic *n, uint *len);

/*
 * Have all frames been taken that the system last delivered?  More may have
 * come since.
 */
int	nicempty(Nic *n);

/* Give back all frames that nicrecv lent. */
void	nicrelease(Nic *n);

/*
 * Returns room for a frame of up to the MTU, whose byte Odata is aligned to
 * sectors, or NULL when the transmit ring is full.  It must be given to
 * nicsend within the turn, as no later frame is sent before it.
 */
uchar	*nicroom(Nic *n);

/* Queue the frame f of len bytes, in room from nicroom. */
void	nicsend(Nic *n, uchar *f, uint len);

/*
 * Send the queued frames.  Returns 1 when another turn is due soon although
 * poll won't report it: for example, when not all could be sent.
 */
int	nickick(Nic *n);

/*
 * Returns how many frames were dropped since the last call because the receive
 * ring was full.
 */
uvlong	nicdrops(Nic *n);

/*
 * Returns a descriptor that becomes readable when an interface may have
 * changed, or -1; then niccheck must be called from time to time
 * (rtnetlink(7)).
 */
int	linkopen(void);

/* Make the link descriptor unreadable again. */
void	linkread(int fd);

/*
 * Returns the name of the bridge whose port the interface is, or NULL.  A port
 * receives nothing itself.
 */
char	*nicbridge(Nic *n);

/* Returns how frames pass: packet (rings shared with the kernel), mmsg or bpf. */
char	*nicrings(Nic *n);

/* linux.c, freebsd.c: the disk */

/*
 * Open and lock the image and fill in d.  Returns NULL, or a sentence saying
 * why it can't be exported.
 */
char	*diskopen(Disk *d, char *path, int readonly, int direct);

/* Read the image's present size.  Returns -1 with errno. */
int	disksize(Disk *d);

/*
 * Read or write the bytes of iov at off of a file, Image or Shadow, and wait
 * for it.  Returns how many were moved.  These are fewer than asked only after
 * an error, which is in errno, EIO at the end of the file.  iov is modified.
 */
size_t	diskread(int file, struct iovec *iov, int niov, uvlong off);
size_t	diskwrite(int file, struct iovec *iov, int niov, uvlong off);

/* Sync a file to stable storage and wait for it.  Returns -1 with errno. */
int	disksync(int file);

/*
 * Have the disk begin to write what the page cache holds of a file, where the
 * system can, and don't wait for it.  This is no sync, and takes the place of
 * none.  What fails makes the next sync fail.
 */
void	diskpush(int file);

/*
 * Begin to read len bytes of a file, from off on, into the page cache.  This
 * may wait, so it is for an Owork.  What fails is left to those who read it.
 * readahead(2).
 */
void	diskahead(int file, uvlong off, uvlong len);

/*
 * Returns where the first data of a file from off on begins, and sets *end to
 * where the next hole begins.  Each is the file's end if there is none.  What
 * is not known to be a hole counts as data.
 */
uvlong	diskdata(int file, uvlong off, uvlong *end);

/*
 * Map size bytes of a file for diskcopy, and the shadow for diskstore, too,
 * even with -d; undo its old mapping.  With size 0 nothing is mapped.  Returns
 * 0 when diskcopy can't be used; then the caller must use disktry.
 */
int	diskmap(int file, uvlong size);

/* Has the image's device gone?  Then operations under way may never end. */
int	diskgone(void);

/*
 * Find out whether the image's device has gone.  To be called after an error,
 * which may be the first sign of it.
 */
void	diskask(void);

/*
 * Read len bytes at off as far as they are in memory (preadv2(2), RWF_NOWAIT).
 * Returns how many that are.
 */
size_t	disktry(uchar *to, size_t len, int file, uvlong off);

/* linux.c, freebsd.c: the image's identity and mark, and the shadow.  All may wait for the disk. */

/*
 * Write into id a line, padded with zeros, that identifies the image
 * independently of its path.
 */
void	diskident(char *id, size_t size);

/* Write into id a value that is different after each boot. */
void	bootid(uchar id[16]);

/* Returns when the image was last changed, in nanoseconds; 0 if unknown. */
uvlong	imagechanged(void);

/*
 * Open the shadow's directory for later calls and remember the shadow's name.
 * Returns NULL, or a sentence saying why it can't be used.
 */
char	*shadowdir(char *path);

/*
 * Mark the image, stably: Marknone, or Marklive or Markgone with the shadow's
 * path.  Where files can't be marked this does nothing.  Returns 1 with errno
 * when marking fails, and -1 when the image can't be synced.
 */
int	imagemark(int mark);

/*
 * Returns the image's mark and puts the path in it into path.  Markgone is
 * returned only if there is no file of that path.
 */
int	imagemarked(char *path, size_t size);

/* Returns the attribute's name, for users who want to read or remove the mark. */
char	*imagemarkname(void);

/* linux.c, freebsd.c: what is inherited */

/* Close all descriptors above 2. */
void	closefiles(void);

/* Make writes to this pipe or terminal fail rather than wait. */
void	lognowait(int fd);

/* Returns a socket to the service manager, or -1.  To be called before disarm. */
int	managersocket(void);

/* linux.c, freebsd.c: the engine */

/*
 * Open the engine; to be called before disarm.  Returns -1 with errno.  *fd
 * becomes readable when an operation has ended since the last enginewake, but
 * see enginesleep.
 */
int	engineopen(int *fd);

/* Start the engine's threads.  Returns -1 with errno when none can be started. */
int	enginethreads(void);

/* Returns io_uring, aio or threads. */
char	*enginename(void);

/*
 * Make the engine's descriptor report ended operations until the next
 * enginekick.  To be called before waiting for it.  Returns 1 when an
 * operation has ended already: then call enginereap and don't wait.
 */
int	enginesleep(void);

/* Make the engine's descriptor unreadable.  enginereap must follow. */
void	enginewake(void);

/*
 * Start an operation.  A later enginereap calls done.  Operations under way at
 * the same time are carried out in any order; work may begin, in another thread,
 * before this returns.
 *
 * Oread and Owrite move all of iov, from or to off of the file, or set error
 * (EIO at the end of the file); moved says how many bytes were moved.  Oflush
 * syncs what was written to the file before the Oflush was started.  Otrim
 * makes len bytes at off of the file read as zeros, and frees their space
 * where the system can (fallocate(2)).  Owork calls work, which may wait.
 */
void	enginestart(Op *o);

/*
 * Pass started operations to the system, as many as there is room for; it is to
 * be called again when one has ended.  Returns 1 when the system did not take
 * even those; then call it again soon.
 */
int	enginekick(void);

/* Call done for one operation that has ended.  Returns 0 when there is none. */
int	enginereap(void);

/* linux.c, freebsd.c: the sandbox */

/*
 * Give up root's rights for this thread and those it starts later, except for
 * what is open and in open directories.  Change to the root directory.  Logs
 * what the system can't do.  To be called when all that needs these rights is
 * open, and before enginethreads.
 */
void	disarm(void);

/*
 * Forbid, for all threads, the system calls that the functions of this file
 * and of the C library no longer need.  From then on only these functions can
 * open files.  To be called before the first frame is taken.
 */
void	sandbox(void);

/* Returns the active parts of the sandbox, in a few words. */
char	*sandboxname(void);
