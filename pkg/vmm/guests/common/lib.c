/* The few functions of a C library that guests use; see lib.h. */
#include "lib.h"

void *memcpy(void *to, const void *from, u64 bytes) {
  u8 *t = to;
  const u8 *f = from;
  if ((((u64)t | (u64)f) & 7) == 0)
    for (; bytes >= 8; bytes -= 8, t += 8, f += 8) *(u64 *)t = *(const u64 *)f;
  while (bytes-- > 0) *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, u64 bytes) {
  u8 *t = to;
  const u8 *f = from;
  if (t <= f || t >= f + bytes) return memcpy(to, from, bytes);
  while (bytes-- > 0) t[bytes] = f[bytes];
  return to;
}

void *memset(void *to, int byte, u64 bytes) {
  u8 *t = to;
  u64 word = (u8)byte * 0x0101010101010101ul;
  for (; bytes > 0 && ((u64)t & 7) != 0; bytes--) *t++ = byte;
  for (; bytes >= 8; bytes -= 8, t += 8) *(u64 *)t = word;
  while (bytes-- > 0) *t++ = byte;
  return to;
}

int memcmp(const void *a, const void *b, u64 bytes) {
  const u8 *x = a, *y = b;
  for (; bytes > 0; bytes--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

u64 strlen(const char *text) {
  u64 length = 0;
  while (text[length] != 0) length++;
  return length;
}

int streq(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

int begins(const char *text, const char *prefix) {
  while (*prefix != 0)
    if (*text++ != *prefix++) return 0;
  return 1;
}

u64 number(const char **text) {
  u64 value = 0;
  while (**text >= '0' && **text <= '9') value = value * 10 + (u64)(*(*text)++ - '0');
  return value;
}

static char *digits(u64 value, u64 base, char *end) {
  *--end = 0;
  do *--end = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  return end;
}

u64 formatv(char *to, u64 size, const char *pattern, __builtin_va_list values) {
  u64 length = 0;
  char buffer[24], one[2] = {0, 0};
  for (; *pattern != 0; pattern++) {
    const char *piece = one;
    one[0] = *pattern;
    if (*pattern == '%') {
      pattern++;
      if (*pattern == 's') piece = __builtin_va_arg(values, const char *);
      else if (*pattern == 'c') one[0] = (char)__builtin_va_arg(values, int);
      else if (*pattern == 'x') piece = digits(__builtin_va_arg(values, u64), 16, buffer + 24);
      else if (*pattern == 'u') piece = digits(__builtin_va_arg(values, u64), 10, buffer + 24);
      else if (*pattern == 'd') {
        i64 value = __builtin_va_arg(values, i64);
        char *start = digits((u64)(value < 0 ? -value : value), 10, buffer + 24);
        if (value < 0) *--start = '-';
        piece = start;
      }
    }
    for (; *piece != 0 && length + 1 < size; piece++) to[length++] = *piece;
  }
  if (size > 0) to[length] = 0;
  return length;
}

u64 format(char *to, u64 size, const char *pattern, ...) {
  __builtin_va_list values;
  __builtin_va_start(values, pattern);
  u64 length = formatv(to, size, pattern, values);
  __builtin_va_end(values);
  return length;
}
