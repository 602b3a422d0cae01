/* What is printed and typed: the virtio console where there is one, else the UART. Input that nobody reads is kept up to a kilobyte, what comes then is lost. */
#include "kernel.h"

static char typed[1024];
static u64 typed_first, typed_count;

void uart_start(void) {
  REG8(UART + 1) = 1;
  REG32(PLIC + 4 * 10) = 1;
  REG32(PLIC + 0x2080) |= 1 << 10;
}

void uart_interrupt(void) {
  while (REG8(UART + 5) & 1) {
    u8 byte = REG8(UART);
    console_input(&byte, 1);
  }
}

void console_write(const char *bytes, u64 length) {
  if (console_device_write(bytes, length)) return;
  for (u64 at = 0; at < length; at++) REG8(UART) = (u8)bytes[at];
}

void print(const char *pattern, ...) {
  char line[200];
  __builtin_va_list values;
  __builtin_va_start(values, pattern);
  console_write(line, formatv(line, sizeof line, pattern, values));
  __builtin_va_end(values);
}

void console_input(const u8 *bytes, u64 length) {
  for (u64 at = 0; at < length && typed_count < sizeof typed; at++, typed_count++)
    typed[(typed_first + typed_count) % sizeof typed] = (char)bytes[at];
  wake(console_read);
}

u64 console_read(char *bytes, u64 length) {
  u64 got = 0;
  for (; got < length && typed_count > 0; got++, typed_count--) {
    bytes[got] = typed[typed_first];
    typed_first = (typed_first + 1) % sizeof typed;
  }
  return got;
}
