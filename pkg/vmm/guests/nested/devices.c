/* The serial port and the switch: the machine's, for the monitor and, an access at a time, for its guest. */
#include "monitor.h"

/* Devices are mapped in the gigabyte before the monitor's own. */
static u64 device_at(u64 address) { return own_base - (1ul << 30) + address; }

static void put_byte(char byte) { REG8(device_at(UART)) = byte; }

void say(const char *text) {
  while (*text) put_byte(*text++);
}

void say_number(u64 value) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = '0' + value % 10;
    value /= 10;
  } while (value);
  while (count) put_byte(digits[--count]);
}

void switch_off(u32 word) {
  REG32(device_at(FINISHER)) = word;
  for (;;);
}

int is_device(u64 address) { return address >> 12 == UART >> 12 || (address & ~3ul) == FINISHER; }

/* One load or store, as its bits say. */
struct transfer {
  int is_known, is_store, is_unsigned, length;
  u64 size, target;
};

static struct transfer compressed(u32 word) {
  struct transfer transfer = {.is_known = 1, .length = 2};
  u32 kind = word >> 13 & 7;
  u32 by_stack = word & 3;
  if ((by_stack != 0 && by_stack != 2) || (kind & 3) < 2) return (struct transfer){0};
  transfer.is_store = kind >= 4;
  transfer.size = (kind & 3) == 2 ? 4 : 8;
  if (by_stack == 0) transfer.target = 8 + (word >> 2 & 7);
  else transfer.target = transfer.is_store ? word >> 2 & 31 : word >> 7 & 31;
  return transfer;
}

static struct transfer transfer_of(u32 word) {
  struct transfer transfer = {.is_known = 1, .length = 4};
  u32 kind = word >> 12 & 7;
  if ((word & 3) != 3) return compressed(word);
  transfer.size = 1ul << (kind & 3);
  transfer.is_unsigned = kind >= 4;
  if ((word & 0x7f) == 0x03 && kind != 7) transfer.target = word >> 7 & 31;
  else if ((word & 0x7f) == 0x23 && kind < 4) {
    transfer.is_store = 1;
    transfer.target = word >> 20 & 31;
  } else transfer.is_known = 0;
  return transfer;
}

/* The guest's instruction at its pc; 0, which is none, where it cannot be fetched. */
static u32 fetch(void) {
  struct found low = find(guest.pc, EXECUTE);
  if (low.fault || !holds(low.address)) return 0;
  u32 word = *(u16 *)at(low.address);
  if ((word & 3) != 3) return word;
  struct found high = find(guest.pc + 2, EXECUTE);
  if (high.fault || !holds(high.address)) return 0;
  return word | (u32)*(u16 *)at(high.address) << 16;
}

static void say_exits(void) {
  static const char names[REASONS][14] = {"register", "return", "fence", "wait", "syscall", "reflected", "shadow-fault", "device"};
  say("level ");
  say_number(own_level);
  for (int reason = 0; reason < REASONS; reason++) {
    say(" ");
    say(names[reason]);
    say(" ");
    say_number(exits[reason]);
  }
  say("\n");
}

/* False where nothing answers. */
static int store(u64 address, u64 size, u64 value) {
  if (address % size != 0) return 0;
  if (address == FINISHER && size <= 4) {
    say_exits();
    switch_off(value);
  }
  if (address < UART || address + size > UART + 8) return 0;
  if (address == UART) put_byte(value);
  return 1;
}

static int load(u64 address, struct transfer transfer) {
  if (address % transfer.size != 0 || address < UART || address + transfer.size > UART + 8) return 0;
  if (transfer.target == 0) return 1;
  u64 value = 0;
  for (u64 index = 0; index < transfer.size; index++)
    if (address + index == UART + 5 && index % 4 == 0) value |= 0x60ul << (8 * index);
  u64 spare = 64 - 8 * transfer.size;
  guest.x[transfer.target] = transfer.is_unsigned ? value : (u64)((i64)(value << spare) >> spare);
  return 1;
}

void device(u64 address, u64 cause, u64 value) {
  struct transfer transfer = transfer_of(fetch());
  if (!transfer.is_known) stop("reaches a device in a way that this monitor cannot do for it");
  int is_done = transfer.is_store ? store(address, transfer.size, guest.x[transfer.target]) : load(address, transfer);
  if (is_done) guest.pc += transfer.length;
  else pass(cause == READ ? 5 : 7, value);
}
