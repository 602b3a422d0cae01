/* The bare machine: tables are memory, and fenced; the console is a device. */
#include "machine.h"

u64 pointer_to(u64 *table) { return ((u64)table >> 12 << 10) | 1; }
u64 entry_of(u64 page, u64 bits) { return (page >> 12 << 10) | bits; }
void set_entry(u64 *entry, u64 value) { *(volatile u64 *)entry = value; }
void make_table(u64 *page, int level) { (void)page; (void)level; }
void flush_entries(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

u64 *set_up(u64 (*take)(void), void (*vector)(void)) {
  u64 *root = (u64 *)take();
  u64 *low = (u64 *)take();
  u64 *high = (u64 *)take();
  root[0] = pointer_to(low);
  root[2] = pointer_to(high);
  low[0] = entry_of(0, 0xc7);
  low[0x80] = entry_of(0x10000000, 0xc7);
  for (u64 index = 0; index < 512; index++) high[index] = entry_of(0x80000000 + (index << 21), 0x0f);
  __asm__ volatile("csrw stvec, %0" ::"r"(vector));
  __asm__ volatile("csrw sscratch, zero");
  __asm__ volatile("csrw satp, %0" ::"r"((8ul << 60) | ((u64)root >> 12)));
  flush_entries();
  return root;
}

void map_user(u64 *root, u64 code, u64 stack, u64 (*take)(void)) {
  u64 *middle = (u64 *)take();
  u64 *last = (u64 *)take();
  last[0] = entry_of(code, 0x5b);
  last[256] = entry_of(stack, 0xd7);
  middle[0] = pointer_to(last);
  root[USER_CODE >> 30] = pointer_to(middle);
  flush_entries();
}

u64 set_status(void) {
  u64 sum = 1ul << 18, status;
  __asm__ volatile("csrs sstatus, %1\n csrr %0, sstatus\n csrc sstatus, %1" : "=&r"(status) : "r"(sum));
  return (status & sum) != 0;
}

void put_byte(char byte) { REG8(UART) = byte; }

void switch_off(int code) {
  REG32(FINISHER) = code == 0 ? 0x5555 : (u32)code << 16 | 0x3333;
  for (;;);
}
