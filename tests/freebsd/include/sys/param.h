/* FreeBSD's <sys/param.h>: the release; 13.0 and 15.0 are told apart here. */
#pragma once

#ifndef __FreeBSD_version
#define __FreeBSD_version 1500000
#endif
