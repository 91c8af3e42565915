/*
 * The unit tests: what each of their files may use of unit.c.  Include
 * dat.h and memsys.h first.
 */
enum {
	Shelf		= 9,
	Slot		= 4,
	Bufsec		= 64,		/* sectors of a disk whose size doesn't matter */
};

extern Nic nic;
extern uvlong seed;

int	test(int, const char*, ...) __attribute__((format(printf, 2, 3)));
uint	rnd(uint);

/*
 * In a child, for what can't be undone in the process: fn's result, or -1
 * when it died.
 */
int	apart(int (*fn)(void));

/* A new target over a new disk, as the command line words say. */
void	target(char *options, uvlong nsec, int mtu);

/* Parse a command line of words between blanks. */
char	*parse(Conf*, const char*);

/* Build a request to the target from the MAC 02:..:from; the length. */
uint	request(uchar*, int cmd, int from);
uint	atarequest(uchar*, uint cmd, uint feature, uint count, uvlong lba);

/*
 * Give the target a frame and return its one answer, or NULL.  The answer
 * is good until the next.
 */
uchar	*ask(uchar*, uint len, uint *alen);

/* The answer's first 36 bytes, all told, with nothing behind but zeros. */
int	isata(uchar *answer, uint alen, uchar *request, uint status, uint error, uint count);
/* What an ATA command without data answers. */
int	succeeds(uint cmd, uint feature, uint count, uvlong lba);
int	failswith(uint cmd, uint feature, uint count, uvlong lba, uint error);
/* The answer is the request refused with an AoE error, and nothing else. */
int	isrefusal(uchar *answer, uint alen, uchar *request, uint error);
/* The header of an answer to this request. */
int	isheader(uchar *answer, uchar *request, uint error);
int	zeros(const uchar*, uint);

void	conftests(void);
void	identifytests(void);
void	atatests(void);
void	buftests(void);
void	cachetests(void);
void	aoetests(void);
void	freezetests(void);
void	looptests(void);
void	exttests(void);
