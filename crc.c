/*
 * Checksums over bytes, and nothing else.
 */
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

uint
crc32(const void *data, uint n)
{
	const uchar *p = data;
	uint crc = 0xffffffff;
	int i;

	for(; n > 0; n--){
		crc ^= *p++;
		for(i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}
