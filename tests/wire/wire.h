/*
 * The wire tests: what each of their files may use of wire.c, and the
 * groups of tests they contain.
 */
typedef struct Group Group;
struct Group {
	const char *name;
	void (*fn)(void);
	int unseen;		/* begins before the target is there */
};

extern Net net;
extern Target t;
extern uint64_t nsect;		/* of the export */
extern int bufcnt;		/* what the target was told to advertise */
extern size_t shortest;		/* a shorter frame is padded on its way */

/* wire.c: results */
void	test(int, const char*, ...) __attribute__((format(printf, 2, 3)));
int	why(const char*, ...) __attribute__((format(printf, 1, 2)));

/* wire.c: limits that follow from the MTU */
int	advertised(void);
int	served(void);
int	maxmasks(void);
int	maxreserve(void);
int	padded(int n, int at, int size);

/* wire.c: the image */
void	imgread(uint64_t lba, void*, int n);
uint64_t	imghash(void);
void	pattern(uint8_t*, size_t, unsigned seed);

/* wire.c: frames */
void	cmdframe(Frame*, int cmd, int feature, int count, uint64_t lba, const void*, size_t);
void	cfgframe(Frame*, int ccmd, const void*, size_t);
void	setsrc(Frame*, const uint8_t*);
void	setdst(Frame*, const uint8_t*);
void	setaddr(Frame*, int shelf, int slot);
void	mkmac(uint8_t*, int);
void	pad(Frame*, size_t);

/* wire.c: the answers they must get; all return 1 when it is so */
void	drain(void);
int	ask(const Frame*, Frame*);
int	nothing(void);
int	silent(const Frame*);
void	reply(Frame*, const Frame*);
void	atareply(Frame*, const Frame*);
int	same(Frame *want, const Frame *got);
int	succeeds(const Frame*, const void*, size_t);
int	fails(const Frame*, int error);
int	aborts(const Frame*);
int	refused(const Frame*, int error);
int	refusal(const Frame*, const Frame*, int error);
int	configis(const Frame*, int error, const void*, size_t);
int	answers(void);
int	burst(const Frame*, Frame*, int);

/* wireframe.c */
void	framegroup(void);
void	configgroup(void);
void	maskgroup(void);
void	reservegroup(void);
void	longmaskgroup(void);
void	advertgroup(void);
void	unicastgroup(void);

/* wireata.c */
void	atagroup(void);
void	rangegroup(void);
void	identifygroup(void);
void	trimgroup(void);
void	smartgroup(void);
void	ordergroup(void);
void	readonlygroup(void);
void	windowgroup(void);
void	largegroup(void);

/* wiremalformed.c */
void	badgroup(void);

/* wireextensions.c */
void	extgroup(void);

/* wireinitiators.c */
void	whogroup(void);

/* wirefull.c */
void	behindgroup(void);
void	savegroup(void);
void	tellgroup(void);
void	crowdgroup(void);
void	greedygroup(void);
void	congestedgroup(void);
