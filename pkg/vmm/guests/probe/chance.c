/*
 * A kernel that writes its page tables by chance: entries, halves, bytes and words across two entries, of tables of all levels that lead to each other, to themselves and to nowhere, through several mappings of
 * the same tables; after each fence it looks at what it mapped. a0 is where chance begins, a1 how many rounds. What it finds is mixed into one number.
 */
#include "probe.h"

#define REGION 0x40000000ul
#define PAGES 12
#define TABLE __attribute__((aligned(4096)))

static u64 first[512] TABLE;
/* Three tables at first, of the levels 2, 1 and 0, and pages; what each is changes. */
static u64 page[PAGES][512] TABLE;
static u64 seed, sum;

static u64 chance(u64 of) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (seed >> 11) % of;
}

static void mix(u64 value) { sum = (sum ^ value) * 0x100000001b3ul; }
static void fence(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

static u64 entry(void) {
  static const u64 bits[] = {1, 1, 1, 0xcf, 0xc7, 0xc3, 0x07, 0x4f, 0xdf, 0x1f, 0xc9, 0xc5, 0, 0x11, 0x41, 0x81, 0x2f};
  u64 frame = chance(8) ? (u64)page[chance(PAGES)] >> 12 : chance(3) ? (u64)page[0] >> 12 : chance(2) ? UART >> 12 : chance(1ul << 44);
  return frame << 10 | bits[chance(sizeof bits / sizeof *bits)] | (chance(60) ? 0 : 1ul << 63);
}

/* Where in the region an address is: its tables' entries are among the first few. */
static u64 somewhere(void) { return REGION | (chance(4) << 21) | (chance(8) << 12) | (chance(32) << 3 & 0xff8); }

static void try(u64 at, u64 how, u64 value) {
  trap_cause = NONE;
  u64 got = 0;
  u64 sized = at + (how & 8 ? chance(8) : 0);
  if ((how & 8) && (sized & 0xfff) > 0xff8) sized = at;
#define DO(code) __asm__ volatile(".option push\n.option norvc\nla t0, 9f\nla t1, resume_at\nsd t0, 0(t1)\n" code "\n9:\n.option pop" : "+r"(got) : "r"(sized), "r"(value) : "t0", "t1", "memory")
  switch (how & 7) {
    case 0: DO("ld %0, 0(%1)"); break;
    case 1: DO("lw %0, 0(%1)"); break;
    case 2: DO("lbu %0, 0(%1)"); break;
    case 3: DO("sd %2, 0(%1)"); break;
    case 4: DO("sw %2, 0(%1)"); break;
    case 5: DO("sb %2, 0(%1)"); break;
    case 6: DO("sh %2, 0(%1)"); break;
  }
#undef DO
  mix(got);
  mix(trap_cause);
  if (trap_cause != NONE) mix(trap_value);
}

__attribute__((noinline)) static void set(volatile u64 *at, u64 value) { *at = value; }
__attribute__((noinline)) static void set_half(volatile u32 *at, u32 value) { *at = value; }
__attribute__((noinline)) static void set_byte(volatile u8 *at, u8 value) { *at = value; }

static void write(void) {
  u64 *at = &page[chance(5)][chance(8)];
  switch (chance(8)) {
    case 0: set_half((volatile u32 *)at + chance(2), (u32)entry()); break;
    case 1: set_byte((volatile u8 *)at + chance(8), (u8)entry()); break;
    case 2: __asm__ volatile("sd %0, 4(%1)" ::"r"(entry()), "r"(at) : "memory"); break;
    default: set(at, entry()); break;
  }
}

void main(u64 start, u64 rounds) {
  seed = start * 0x9e3779b97f4a7c15ul | 1;
  start_traps();
  first[0] = 0xc7;
  first[1] = (u64)page[0] >> 12 << 10 | 1;
  first[2] = MEMORY >> 12 << 10 | 0xcf;
  for (u64 index = 0; index < 5; index++) for (u64 at = 0; at < 8; at++) page[index][at] = entry();
  for (u64 index = 5; index < PAGES; index++) for (u64 at = 0; at < 512; at++) page[index][at] = at & 1 ? 0x8067 : 0x8067ul << 32 | 0x8067;
  __asm__ volatile("csrw satp, %0\n sfence.vma" ::"r"(8ul << 60 | (u64)first >> 12) : "memory");
  for (u64 round = 0; round < rounds; round++) {
    for (u64 count = chance(12); count > 0; count--) write();
    fence();
    for (u64 count = chance(6); count > 0; count--) {
      try(somewhere(), chance(7) | chance(2) << 3, entry());
      fence();
    }
    if (chance(8) == 0) __asm__ volatile("csrw satp, %0\n sfence.vma" ::"r"(8ul << 60 | chance(3) << 44 | (u64)first >> 12) : "memory");
    if (round % 64 == 0) {
      say_hex("", sum);
      REG8(UART) = '\n';
    }
  }
  say_hex("sum", sum);
  switch_off();
}
