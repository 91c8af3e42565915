/*
 * What layer.c asks of Linux, in types that both systems know.  Errors are
 * Linux's: -1 with errno.
 */
typedef struct Hostif	Hostif;

struct Hostif {
	char	name[16];
	int	index;
	int	up;
	int	running;	/* up, and there is a cable */
	int	mtu;
	int	ethernet;
	unsigned char	mac[6];
};

/* A packet socket that receives nothing before hostbind, nor behind it unless it shall hear. */
int	hostpacket(void);
int	hostbind(int fd, int index, int hear);

/* send(2), without waiting. */
ssize_t	hostsay(int fd, const void *buf, size_t len);

/* The interface it is bound to, or nothing above 0 when that is gone. */
int	hostbound(int fd);

/* Set a filter: n instructions of 8 bytes, the same on both systems; everything passes when n is 0. */
int	hostfilter(int fd, const void *code, unsigned n);

/* Receive what this host sends, or don't. */
int	hostincoming(int fd, int only);

/* Room for bytes of frames in the socket. */
void	hostroom(int fd, unsigned bytes);

/* A frame, or with peek its length only; how long it is, though there be less room. */
long	hostrecv(int fd, void *buf, size_t size, int peek);
long	hostsend(int fd, const void *buf, size_t len);

/* Frames dropped since the last call. */
unsigned	hostdrops(int fd);

/* Take back the socket's error. */
void	hosterror(int fd);

/* An interface by its name or, with NULL, its index. */
int	hostif(const char *name, int index, Hostif *h);

/* The i-th interface there is; -1 behind the last. */
int	hostnthif(int i, Hostif *h);

/* A socket for hostnews; and the next news of an interface, waiting for it: its index, and whether it is gone. */
int	hostlinks(void);
int	hostnews(int fd, int *index, int *gone);

/* A pair of sockets for datagrams. */
int	hostpair(int fd[2]);

/* Block devices: sizes in bytes. */
int	hostisblk(const char *path);
int	hostsize(int fd, unsigned long long *size);
int	hostsector(int fd, unsigned *size);
int	hostphysical(int fd, unsigned *size);
int	hostopenexcl(const char *path);	/* as a mount does */
int	hostdiscard(int fd, unsigned long long off, unsigned long long len);

/* Make a hole in a file. */
int	hostpunch(int fd, long long off, long long len);

/* When the file was made. */
long long	hostborn(int fd);

/* A device's number. */
unsigned	hostnumber(int fd);

/* An extended attribute of a user's; set with no data takes it away. */
long	hostgetattr(int fd, const char *name, void *data, size_t size);
long	hostsetattr(int fd, const char *name, const void *data, size_t size);

/* Is the file in memory only? */
int	hosttmpfs(int fd);
