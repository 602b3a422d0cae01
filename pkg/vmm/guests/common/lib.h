/* The few functions of a C library that guests use, in kernel and user mode alike. */
#ifndef LIB_H
#define LIB_H
#include "types.h"
void *memcpy(void *to, const void *from, u64 bytes);
void *memmove(void *to, const void *from, u64 bytes);
void *memset(void *to, int byte, u64 bytes);
int memcmp(const void *a, const void *b, u64 bytes);
u64 strlen(const char *text);
int streq(const char *a, const char *b);
/** Whether `text` begins with `prefix`. */
int begins(const char *text, const char *prefix);
/** Reads digits at `*text` and moves it behind them. */
u64 number(const char **text);
/** Formats %s %d %u %x %c into `to`, of which `size` bytes are there; returns what was written, without the ending zero. */
u64 format(char *to, u64 size, const char *pattern, ...);
u64 formatv(char *to, u64 size, const char *pattern, __builtin_va_list values);
#endif
