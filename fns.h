/*
 * Every function that one file offers another, by the file that has it.
 * Sectors are of 512 bytes; sizes and offsets are in bytes where the name
 * or the comment says so.
 */

/* aoe.c */

/*
 * Read the command line into c.  Returns NULL, or a sentence that names the
 * bad argument and what was expected of it.
 */
char	*getconf(Conf *c, int argc, char **argv);

/*
 * Judge and serve one frame of len bytes that came in by n.  The answer, if
 * there is one, is put into n's transmit ring now or at the next bufcommit.
 * The frame must stay where it is until then.
 */
void	frame(Nic *n, uchar *f, uint len);

/*
 * Serve what c describes from here on; what frame needs and main sets up.
 * Returns -1 when there is no memory.
 */
int	aoeinit(Conf *c);

/*
 * Take the config string, the mask list and the reservation from the file
 * that -S names, if there is one, and keep them there from now on.  Returns NULL, or a
 * sentence saying why not; then nothing has been taken.
 */
char	*aoerestore(void);

/*
 * Take frames that came in by n, a batch at the most.  Returns how many it
 * took.
 */
int	takeframes(Nic *n);

/*
 * Put the answers that wait for a slot of n's transmit ring there, as far as
 * there are slots, or drop them if n can't be used any more.
 */
void	sendwaiting(Nic *n);

/*
 * Something has come.  Is it worth looking for what comes next, for SPIN_US at
 * the most, or shall the loop sleep at once?  Whoever has looked says by looked
 * whether something was found.  While more than half of the looks find
 * something, as good as all are worth it; of a stream with longer gaps one in 64
 * is, so that it is noticed when they become shorter.
 */
int	worthlooking(Looks *l);
void	looked(Looks *l, int found);

/* ata.c */

/*
 * Name the disk in IDENTIFY DEVICE and set what SET FEATURES may change.
 * serial has at most 20 characters; readonly and sync as in Conf.
 */
void	atainit(char *serial, int readonly, int sync);

/*
 * Carry out an ATA command: a->done is called, now or later, with the
 * answer's registers, or with an AoE error.
 */
void	ata(Ata *a);

/*
 * The device has gone: have the command fail.  Nothing else must come of it.
 */
void	ataabandon(Ata *a);

/*
 * Does a command bring data to the initiator from sectors of the disk
 * (Oread), or from the initiator (Owrite)?  r is the LBA that it names, and
 * the sectors of data.  Returns -1 when it does neither.
 */
int	atamoves(uint cmd, uint count, uchar *lba, Range *r);

/* tags.c */

/*
 * Forget every initiator.
 */
void	hostinit(void);

/* What is known of an initiator, or NULL. */
Host	*hostfind(uvlong who);

/* Take all its features from it, and its memory of tags. */
void	hostreset(Host *h);

/*
 * Where an initiator's writes are remembered, from here on at the latest.
 * NULL when there is no memory.
 */
Tags	*hosttags(uvlong who);

/*
 * Switch on the feature of this name for an initiator, and forget its tags.
 * Returns 0 when there is none, or it is crc8x4 and not crcfits: a frame has
 * no room for a sector and its CRC.
 */
int	hostfeature(uvlong who, const char *name, int crcfits);

/* An initiator's network is congested until then, in microseconds. */
void	hostslow(uvlong who, uvlong until);

/*
 * Count a request as under way.  Returns 0, and doesn't, when its twin is.  The
 * caller keeps t until tagsleave.
 */
int	tagsenter(Twin *t);

/* The request is no longer under way. */
void	tagsleave(Twin *t);

/* Forget all requests under way. */
void	tagsclear(void);

/* A memory of the last n requests, or NULL. */
Recent	*recentnew(uint n);

/* Is the request's twin remembered?  If not, remember this one. */
int	recentseen(Recent *h, const Twin *t);

/* Forget all that is remembered: no twin of it can still come. */
void	recentclear(Recent *h);

/* A memory of writes, with nothing in it, or NULL. */
Tags	*tagsnew(void);

void	tagsforget(Tags *t);

/*
 * The place of a tag in the initiator's count of 64 bits.  A tag that is far
 * from the last one makes t forget.
 */
uvlong	tagsplace(Tags *t, uint tag);

/* Was a write with this place, command, LBA and count done before? */
int	tagsseen(Tags *t, uvlong place, uvlong what);

/* Remember that it is done. */
void	tagsdone(Tags *t, uvlong place, uvlong what);

/* buf.c */

/*
 * Export length sectors of the disk after its first offset sectors, all to
 * the end when length is 0.  Returns -1 when the disk hasn't that many; then
 * all is as it was.  May be called again when the disk's size has changed.
 */
int	bufinit(uvlong offset, uvlong length);

/*
 * Have memory for n requests under way at a time.  To be called before any,
 * and while none is.  Returns -1 when there is none.
 */
int	bufrequests(uint n);

/* Sectors exported. */
uvlong	bufsize(void);

/*
 * The disk's physical sectors, in sectors: their size, and how far into one
 * the export begins.
 */
void	bufalign(uint *off, uint *size);

/* As in Disk: 1 when the disk does not rotate, 0 when nobody knows. */
int	bufrotation(void);

/*
 * Take a request, whose range has been checked.  It is begun by the next
 * bufcommit.
 */
void	bufio(Io *io);

/*
 * Begin what was collected, in any order that can't be told from the one it
 * came in, and call done for what is finished by that.  To be called after
 * bufio and after enginereap.
 */
void	bufcommit(void);

/* Is any request under way? */
int	bufbusy(void);

/*
 * Milliseconds after which bufcommit must be called even if nothing
 * happens, or -1.
 */
int	bufwait(void);

/*
 * Have a shadow for freezing.  Arguments and result as for freezeinit.  To be
 * called once, after bufinit and before any request.
 */
char	*bufshadow(char *path, uvlong mib, int readonly);

/*
 * Begin to freeze, or to unfreeze.  Returns NULL, or why that can't be.
 */
char	*buffreeze(int on);

/* No more requests will come: begin nothing of our own accord. */
void	bufclose(void);

/*
 * Have a pool of blocks of so many MiB, for direct I/O or writebehind (-w).
 * To be called once, before any request.  Returns -1 when there is no
 * memory.
 */
int	bufpool(uint mib, int writebehind);

/* cache.c: the pool.  Sectors are those of the image. */

/* Have a pool of so many MiB.  Returns -1 when there is no memory. */
int	poolinit(uint mib);

/* Sectors that it has room for; 0 without one. */
uint	poolsize(void);

/* One more request has come: the pool tells time by them. */
void	poolclock(void);

/* Are all these sectors valid? */
int	poolhas(uvlong s, uint n);

/* Copy what is valid of these sectors over what the disk has. */
void	poolget(uchar *to, uvlong s, uint n);

/* Have the processor fetch what a read may find here. */
void	poolfetch(uvlong s, uint n);

/*
 * Keep what was read from the disk, where there is nothing newer.  ahead:
 * nobody has asked for it yet.
 */
void	poolfill(uchar *from, uvlong s, uint n, int ahead);

/*
 * Note what has been written to the disk.  keep: blocks that aren't there
 * may be made.
 */
void	poolwritten(uchar *from, uvlong s, uint n, int keep);

/*
 * A write has failed: nobody knows what the disk has of these sectors.  What
 * is dirty has been answered, and stays valid.
 */
void	pooldistrust(uvlong s, uint n);

/* Forget sectors, dirty or not. */
void	pooldrop(uvlong s, uvlong n);

/* Take dirty sectors.  Returns 0 when there is no room. */
int	poolput(uchar *from, uvlong s, uint n);

/*
 * Sectors of the pages of 4096 bytes that have dirty ones: what a file takes up
 * for them.
 */
uint	pooldirty(void);

/* Do dirty sectors take up half of the pool, which has them in larger blocks? */
int	poolcrowded(void);

/*
 * Begin a pass over what is dirty now, by and large in the order of the
 * disk.
 */
void	poolpass(void);

/*
 * The next dirty sectors of the pass that follow each other, max at most;
 * the first is put into *s.  Returns how many; 0 when none was found as far
 * as one call looks, which need not be the end.
 */
uint	poolnext(uint max, uvlong *s);

/* Has the pass come to its end? */
int	poolpassed(void);

/* How many of the n sectors from s on, before the first dirty one, aren't? */
uint	poolclean(uvlong s, uint n);

/*
 * Copy the dirty ones among n sectors, up to the first that isn't, to be
 * written.  Returns how many; they are flying until poollanded.
 */
uint	poollift(uchar *to, uvlong s, uint n);

/*
 * That write has ended.  Its sectors are dirty again unless ok, and stay
 * valid if keep.
 */
void	poollanded(uvlong s, uint n, int ok, int keep);

/* Has enough of what was read ahead lately been used? */
int	poolpays(void);

/* cache.c: what is known of the page cache */

/*
 * Map a file of that size, in bytes.  When it is 0 the mapping is used no more;
 * to undo it may take long, and is for whoever takes the file away.
 */
void	windowopen(int file, uvlong size);

/* Bytes that are mapped; 0 if there can be no mapping. */
uvlong	windowsize(int file);

/* May the image's mapping be used now? */
int	windowused(void);

/* Are these bytes mapped, and all in the page cache, as far as is known? */
int	windowhas(int file, uvlong off, size_t len);

/* Is the page that this byte lies in? */
int	windowpage(int file, uvlong off);

/* Copying from a mapping had to wait, or failed: leave it alone for a while. */
void	windowclose(void);

/* Forget what is known of pages. */
void	windowforget(void);

/* It is so late, by microseconds(). */
void	windowtime(uvlong us);

/* freeze.c */

/*
 * It is about length sectors of the image from offset on.  Not while there
 * is a shadow.
 */
void	freezeexport(uvlong offset, uvlong length);

/*
 * Freezing shall use the shadow of that path, up to so many MiB, any number
 * when mib is 0; NULL: there is none.  Takes up a freeze or merge that was
 * under way.  Returns NULL, or a sentence saying why the image can't be
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

/* The image can't be brought to a stand: give up the freeze that is at work. */
void	freezecancel(void);

/*
 * Is there a job for the engine, in the present state?  Fills in all of o
 * but done, and returns Jobapart or Jobsync; the latter not while syncing, a
 * sync is under way.  quiet: in Fpreparing, what was answered has been
 * written; in Fstopping, no write is under way; in Fmerging, nothing that
 * concerns the shadow is.  One job is carried out at a time.
 */
int	freezejob(Op *o, int quiet, int syncing);

/*
 * The job has ended.  Returns the errno of a sync that failed and may have
 * lost writes, or 0.
 */
int	freezejobdone(Op *o);

/*
 * Where are the newest data of the sector lba?  Returns how many of the n
 * sectors from there on follow it in the same file.
 */
uint	freezemap(uvlong lba, uint n, Home *h);

/* Which file shall be written to now? */
int	freezehome(void);

/* Where is the sector lba's place in that file, in bytes? */
uvlong	freezeplace(uvlong lba, int file);

/* The shadow's size in bytes. */
uvlong	freezesize(void);

/*
 * May n sectors be written now, when so many others are still to come to
 * the same file?
 */
int	freezefits(uvlong lba, uint n, uvlong pending);

/*
 * The newest data of these sectors is in this file now.  Returns 1 when
 * freezesave must succeed before the write is answered, 0 when it need not,
 * and -1 when there is no memory.  Not while a freezesave is under way in
 * the engine.
 */
int	freezenote(uvlong lba, uint n, int file);

/* The same, of sectors that were trimmed. */
int	freezenotetrim(uvlong lba, uint n, int file);

/* These sectors are no holes, as a write of them to the shadow may have been done in part. */
void	freezefilled(uvlong lba, uvlong n);

/* Pieces of the map, of what was noted, that have still to be saved. */
int	freezeunsaved(void);

/*
 * Save what was noted, for whoever comes after our death, as far as the map's
 * pages are at hand.  Returns how many pieces are left.
 */
int	freezestore(void);

/*
 * Save what is left, by writing it, which may have to wait for the disk.
 * Returns -1 with errno.
 */
int	freezesave(void);

/* Something was written to this file. */
void	freezedirty(int file);

/*
 * Milliseconds after which a sync must begin though nobody asks for one, or
 * -1: what is in the shadow must be found there when the power fails.
 */
int	freezewait(void);

/*
 * A sync is about to begin: take note of what it must cover.  Returns -1
 * when there is no memory.
 */
int	freezesnap(void);

/* An Owork's work: carry that sync out. */
void	freezesync(Op *o);

/*
 * It has ended, with this error or 0.  Returns 0, an errno, or Unanswered
 * when only the shadow had no room.
 */
int	freezesynced(int error);

/*
 * An errno of a write to the shadow: returns Unanswered, and logs it, when
 * there was no room, and otherwise error.
 */
int	freezefull(int error);

/*
 * The next sectors to be moved to the image, at most max, which follow each
 * other in the shadow.  Returns how many, 0 when there are none; the first
 * is put into *lba.  *hole: they were trimmed, and are a hole; of these it may
 * be more than max.
 */
uint	freezenext(uint max, uvlong *lba, int *hole);

/* Print how far a merge has come, when it is time. */
void	freezetick(void);

/* Print the state, if it is not Fnone. */
void	freezereport(void);

/* Of a merge, how much is done; per cent. */
uint	freezemerged(void);

/* A freeze or unfreeze, which is said, is not done, for this reason: log that. */
void	freezerefused(const char *what, const char *reason);

/* The last that was, or an empty string. */
char	*freezerefusal(void);

/* crc.c */

/*
 * Put the CRC8x4 of n bytes at p, four bytes, into crc.
 */
void	crc8x4(uchar *crc, const uchar *p, size_t n);

/* CRC-32 (IEEE 802.3) of n bytes. */
uint	crc32(const void *data, uint n);

/* posix.c */

/*
 * Undo what whoever started us has left that could do harm: standard files
 * that are closed, others that are open, signals ignored and blocked.  What
 * would end the process for a write, but for its error, is ignored.
 */
void	freshstart(void);

/*
 * From here on no message waits: what standard output or error have no room
 * for is lost.  Where they are the journal's, it gets priorities.
 */
void	logopen(void);

/*
 * A line for the standard output; fmt has no newline.  The others are for
 * the standard error output, as in err(3), whose names they have.
 */
void	say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void	err(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void	errx(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The time since some moment in the past; it never goes back. */
uvlong	microseconds(void);

/*
 * A sentence that says why something can't be.  It is good until the next.
 */
char	*sentence(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * May another message of this kind be printed?  Those that may not are
 * counted, and what is said of them later.
 */
int	maysay(Few *f, const char *what);

/*
 * Tell the service manager that started us, if it wants to be told
 * (sd_notify(3)).  Only READY may wait.  notifyopen comes before disarm.
 */
void	notifyopen(void);
void	notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* posix.c: directories, and files in them */

/*
 * Open the directory of a file that may not be there, for use in the
 * sandbox, too.  Returns its descriptor, or -1 with errno, its path, in
 * PATH_MAX bytes, and the file's name in it.
 */
int	opendirectory(char *path, char *dir, char **name);

/* The directories that opendirectory has opened.  Returns how many there are. */
uint	directories(int **list);

/*
 * Open a file in a directory, and no symbolic link, for which errno is ELOOP.
 * A file that it makes is its owner's alone.
 */
int	openplain(int dir, char *name, int flags);

/*
 * Lock a file (flock(2)).  Some programs hold a lock for a moment, as udev does
 * while it looks at a device: one that is in the way gets a second to go.
 * Returns -1 with errno.
 */
int	lockfile(int fd, int how);

/*
 * Read or write (op is Oread or Owrite) all len bytes at off: pread(2) and
 * pwrite(2), again after a short transfer or EINTR.  Returns 0, or -1 with
 * errno, EIO if the file ends before.
 */
int	exactly(int fd, int op, void *buf, size_t len, uvlong off);

/*
 * Has the file's file system holes?  Returns 0, or -1 with errno, EOPNOTSUPP
 * when it has none.  The file is left 1 MiB long, all hole; that is enough to
 * tell.
 */
int	hasholes(int fd);

/* As diskdata, of a descriptor. */
uvlong	filedata(int fd, uvlong off, uvlong *end);

/*
 * Open and lock the file that keeps the target's state, and read at most
 * size bytes of it to buf.  *len says how many, -1 if there is no such
 * file.  Returns NULL, or a sentence saying why it can't be used.  To be
 * called once, before disarm.
 */
char	*stateopen(char *path, uchar *buf, size_t size, ssize_t *len);

/*
 * Put these bytes in the file's place, all of them or none whatever
 * happens, and on stable storage.  Waits for the disk.  Returns -1 with
 * errno; then what was there before may still be.
 */
int	statesave(uchar *buf, size_t len);

/* Its descriptor, or -1 while there is none. */
int	statefd(void);

/*
 * Keep the info file there.  Returns NULL, or a sentence saying why not.
 * To be called once, before disarm.
 */
char	*infoopen(char *path);

/*
 * Have the info file say this.  Returns -1 when it can't be; that is no reason
 * to do more than try again.  May wait for the disk.
 */
int	infowrite(const char *text, size_t len);

/* Take it away. */
void	inforemove(void);

/* posix.c: the shadow, and the image's mark.  All of them may wait for the disk. */

/*
 * Open the directory of the shadow, which later calls use, and remember its
 * name.  Returns NULL, or a sentence saying why it can't be used.
 */
char	*shadowdir(char *path);

/* The shadow's absolute path. */
char	*shadowpath(void);

/*
 * Open and lock the shadow; if readonly, for reading only, and others that do
 * so may share it.  Returns 1, 0 when there is none, either of them
 * for good, or -1 with errno; EWOULDBLOCK means that another program has
 * locked it.
 */
int	shadowopen(uvlong *size, int readonly);

/*
 * Make a shadow of so many bytes, all holes, locked, and without its name.
 * Returns -1 with errno; EOPNOTSUPP means that its file system has no
 * holes.
 */
int	shadowmake(uvlong size);

/* Bytes that the shadow takes on its file system. */
uvlong	shadowtakes(void);

/*
 * Give the shadow its name, for good.  Returns -1 with errno; EEXIST means
 * that something has it.
 */
int	shadowname(void);

/*
 * Take the shadow away, with or without its name, for good, and its mapping;
 * its space later, by shadowfree, or with it.  Returns -1 with errno.
 */
int	shadowremove(int later);

/*
 * Give back a piece of the space of one that was taken away: what a file
 * system does for much of it at once (discards above all) holds up whoever
 * syncs another file there, for seconds.  Returns after how many milliseconds
 * the next piece is due, or -1 when all has been given back.  There may be
 * another shadow meanwhile.
 */
int	shadowfree(void);

/*
 * Have the image bear a mark, for good: Marknone, or Marklive or Markgone
 * and the shadow's path.  Where there is no way to mark a file it bears
 * none.  Returns 1 with errno when there is a way and it can't be marked, and
 * -1 when the image can't be synced.
 */
int	imagemark(int mark);

/*
 * The mark that the image bears; the path in it is put into path.  Markgone
 * is returned only if there is no such file.
 */
int	imagemarked(char *path, size_t size);

/*
 * Lock the image, which is open as fd; if readonly, others may share it.
 * Returns NULL, or a sentence saying why it can't be.
 */
char	*imagelock(int fd, char *path, int readonly);

/* posix.c: windows */

/*
 * Map size bytes of a file, which is open as fd, instead of what was mapped of
 * it; nothing when size is 0.  Returns -1 when nothing is mapped.
 */
int	windowmap(int file, int fd, uvlong size, int writable);

/* Does the mapping reach to this byte? */
int	windowspans(int file, uvlong end);

/* Let a copy that raises this signal fail, as it does with SIGBUS. */
void	catchfault(int sig);

/*
 * For each page of the mapping from off on, a multiple of the page size,
 * set the low bit of a byte of vec when it is in memory (mincore(2)).
 */
int	diskincore(int file, uvlong off, size_t len, uchar *vec);

/* Have the processor fetch what diskcopy will copy, without waiting for it. */
void	diskprefetch(int file, uvlong off, size_t len);

/*
 * See whether len bytes at off of the mapping can be read at all.  Returns
 * -1 when not.  Waits for the disk when they are not in memory.
 */
int	disktouch(int file, uvlong off, size_t len);

/*
 * Copy len bytes at off of the mapping.  Returns -1 when they can't be
 * read.  Waits for the disk when they are not in memory.
 */
int	diskcopy(uchar *to, int file, uvlong off, size_t len);

/*
 * Copy len bytes to off of the shadow's mapping, and so into the page cache,
 * as a write does.  Returns -1 when that can't be, or wouldn't be as safe,
 * maybe with a part of it done; then diskwrite must serve.  Waits for the
 * disk when the page isn't in memory.
 */
int	diskstore(int file, uvlong off, const void *from, size_t len);

/* How often diskcopy has waited for the disk. */
uvlong	diskstalls(void);

/*
 * How often the loop has slept, in poll or waiting for the disk; not when it
 * could have gone on, had there been a processor.
 */
uvlong	disksleeps(void);

/* posix.c: operations */

/*
 * Start threads that carry out operations, ENGINE_THREADS of them: carry does
 * one, and may wait; wake, called after it, tells the loop.  All signals stay
 * with the calling thread, but for those that a thread brings upon itself.
 * Returns -1 with errno when there can be none.
 */
int	threadsstart(void (*carry)(Op*), void (*wake)(void));

/* Have a thread carry out an operation. */
void	threadsadd(Op *o);

/* Has a thread ended one that threadsended hasn't returned? */
int	anyended(void);

/* An operation that a thread has ended, or NULL. */
Op	*threadsended(void);

/* Is it a read or a write? */
int	istransfer(Op *o);

/* So many bytes of the operation have been moved: take them off its vector. */
void	opadvance(Op *o, size_t n);

/* An operation of the engine begins; it has ended, and done is to be called. */
void	opbegin(Op *o);
void	opdone(Op *o);

/* linux.c, freebsd.c: the network */

/*
 * Open the interface n->name and set up its rings for bufcnt requests from
 * each of a few initiators; only frames for shelf.slot or broadcast will be
 * received.  Returns NULL, or a sentence saying why it can't be used; an
 * interface that is down is no error (packet(7), packet_mmap.rst).
 */
char	*nicopen(Nic *n, int shelf, int slot, int bufcnt);

/*
 * Look at the interface's state again and follow it: n->up, n->ea and
 * n->mtu are brought up to date.  Returns Nicsame, Nicdown, Nicup or
 * Nicagain.
 */
int	niccheck(Nic *n);

/* The descriptor to poll, and the events to poll it for. */
int	nicpoll(Nic *n, short *events);

/* Take back an error that poll reported for the descriptor. */
void	nicerror(Nic *n);

/*
 * The next frame that came in, its length in *len, or NULL when there is
 * none.  It is lent until nicrelease.
 */
uchar	*nicrecv(Nic *n, uint *len);

/* Have all frames been taken that the system last gave?  More may have come since. */
int	nicempty(Nic *n);

/* Give back all frames that nicrecv lent. */
void	nicrelease(Nic *n);

/*
 * Room for a frame of up to the MTU, whose byte Odata lies at a sector
 * boundary in memory, or NULL when the transmit ring is full.  It must be
 * given to nicsend within the turn, as nothing behind it is sent before it.
 */
uchar	*nicroom(Nic *n);

/* Queue the frame f of len bytes, which nicroom gave. */
void	nicsend(Nic *n, uchar *f, uint len);

/*
 * Send what is queued.  Returns 1 when another turn is due in a moment
 * although poll won't call for it: not all could be sent, say.
 */
int	nickick(Nic *n);

/* Frames that the interface dropped for want of room since the last call. */
uvlong	nicdrops(Nic *n);

/*
 * A descriptor that becomes readable when an interface may have changed,
 * or -1: then niccheck must be called from time to time (rtnetlink(7)).
 */
int	linkopen(void);

/* Make the link descriptor unreadable again. */
void	linkread(int fd);

/* The bridge whose port the interface is, or NULL.  A port receives nothing itself. */
char	*nicbridge(Nic *n);

/* How frames pass: packet (rings shared with the kernel), mmsg or bpf. */
char	*nicrings(Nic *n);

/* linux.c, freebsd.c: the disk */

/*
 * Open and lock the image and learn its size.  Returns NULL, or a sentence
 * saying why it can't be exported.
 */
char	*diskopen(Disk *d, char *path, int readonly, int direct);

/* Learn the image's size again.  Returns -1 with errno. */
int	disksize(Disk *d);

/*
 * Read or write the bytes that iov describes at off of a file, Image or
 * Shadow, waiting for it.  Returns how many were moved: fewer than asked
 * only after an error, which is in errno, EIO at the end of the file.  iov
 * is used up.
 */
size_t	diskread(int file, struct iovec *iov, int niov, uvlong off);
size_t	diskwrite(int file, struct iovec *iov, int niov, uvlong off);

/*
 * Put on stable storage what was written to a file, waiting for it.  Returns
 * -1 with errno.
 */
int	disksync(int file);

/*
 * Where the first data of a file from off on begins; *end says where the next
 * hole does.  The file's end when there are none.  What is not known to be a
 * hole is data.
 */
uvlong	diskdata(int file, uvlong off, uvlong *end);

/*
 * Map a file for diskcopy, size bytes of it, instead of what was mapped
 * before, and the shadow for diskstore, too, also with -d; none when size is
 * 0.  Returns 0 when diskcopy can't be used; then disktry must serve.
 */
int	diskmap(int file, uvlong size);

/* Has the image's device gone?  Whatever is under way may never end. */
int	diskgone(void);

/*
 * Ask the image's device whether it has gone, after an error that may have
 * been the first sign of it.
 */
void	diskask(void);

/*
 * Read len bytes at off as far as they are in memory, and return how many
 * those are (preadv2(2), RWF_NOWAIT).
 */
size_t	disktry(uchar *to, size_t len, int file, uvlong off);

/* linux.c, freebsd.c: the image's identity and mark, and the shadow.  All may wait for the disk. */

/*
 * Write into id a line, padded with zeros, that names the image as long as
 * it is the same, whatever its path and whenever it is looked at.
 */
void	diskident(char *id, size_t size);

/* Write into id what differs after each start of the system. */
void	bootid(uchar id[16]);

/* When the image was last changed, in nanoseconds; 0: nobody says. */
uvlong	imagechanged(void);

/* What the shadow is opened with besides, flags of open(2). */
int	shadowflags(void);

/*
 * Have transfers of the file Shadow go to what is open and locked as fd, and
 * has this name in dir.  Returns -1 with errno.
 */
int	shadowattach(int fd, int dir, char *name, int readonly);

/* There is none any more; fd is still open. */
void	shadowdetach(void);

/*
 * Rename a file within a directory, to a name that nothing has.  Returns -1
 * with errno, EEXIST if something has it.
 */
int	renamenew(int dir, char *from, char *to);

/* imagemark, with the text of the mark; NULL takes it off. */
int	markput(char *text);

/* The text of the mark that the image bears: its length, or -1. */
ssize_t	markget(char *text, size_t size);

/* What the mark is called by those who would look at it, or take it off. */
char	*imagemarkname(void);

/* linux.c, freebsd.c: what is inherited */

/* Close all descriptors above 2. */
void	closefiles(void);

/* A write to this pipe or terminal shall fail rather than wait. */
void	lognowait(int fd);

/* A socket to the service manager, or -1. */
int	managersocket(void);

/* linux.c, freebsd.c: the engine */

/*
 * Open the engine, while all rights for it are there.  Returns -1 with errno
 * when there can be none.  *fd is readable when an operation has ended since
 * the last enginewake, but see enginesleep.
 */
int	engineopen(int *fd);

/* Start its threads.  Returns -1 with errno when there can be none. */
int	enginethreads(void);

/* io_uring, aio or threads. */
char	*enginename(void);

/*
 * Have the engine's descriptor tell of what ends, until the next enginekick.
 * To be called before waiting for it.  Returns 1 when something has ended
 * already: then enginereap is due, and no waiting.
 */
int	enginesleep(void);

/* Make the engine's descriptor unreadable; enginereap must follow. */
void	enginewake(void);

/*
 * Have an operation carried out: done is called by a later enginereap.  No
 * order is kept among operations under way together.
 *
 * Oread and Owrite move all that iov describes, from or to off of the file,
 * or fail with error set (EIO at the end of the file) and moved saying how
 * much was moved before.  Oflush puts on stable storage what was written to
 * the file before it was started.  Otrim makes len bytes at off of the file
 * read back as zeros, giving their space back where the system can
 * (fallocate(2)).  Owork calls work, which may wait for what it likes.
 */
void	enginestart(Op *o);

/*
 * Have the operations started since the last call begin.  Returns 1 when
 * the system would not take all of them, and it must be called again in a
 * moment.
 */
int	enginekick(void);

/*
 * Call done for an operation that has ended.  Returns 0 when there was
 * none.
 */
int	enginereap(void);

/* linux.c, freebsd.c: the sandbox */

/*
 * Give up what this thread, and those it starts later, may do as root, except
 * with what is open and in directories that are.  Leave the current directory
 * for the root.  What the system can't do is logged.  To be called when all has
 * been opened that needs the rights, and before enginethreads.
 */
void	disarm(void);

/*
 * Give up, for all threads, the system calls that the functions of this
 * file and of the C library don't need from here on: nothing can be opened
 * any more but by these functions.  To be called before the first frame is
 * taken.
 */
void	sandbox(void);

/* What of it is in force, in a few words. */
char	*sandboxname(void);
