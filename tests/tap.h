/*
 * Test Anything Protocol for the C programs of the suite: ok() for each
 * test, and tapend() for the plan and the exit status.
 */
#include <stdarg.h>
#include <stdio.h>

static int tapcount, tapfailed;

__attribute__((format(printf, 2, 3)))
static inline int
ok(int pass, const char *fmt, ...)
{
	va_list ap;

	tapcount++;
	if(!pass)
		tapfailed++;
	printf("%sok %d - ", pass ? "" : "not ", tapcount);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return pass;
}

static inline int
tapend(void)
{
	printf("1..%d\n", tapcount);
	return tapfailed != 0;
}
