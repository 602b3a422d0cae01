/*
 * A kernel in supervisor mode that asks its firmware for everything there is, right and wrong, and prints each answer: what the simulated machine and QEMU's must agree on.
 * It runs on two harts: the second answers what the first asks, through words in memory.
 */
#include "../common/fdt.h"
#include "../common/lib.h"
#include "../common/sbi.h"

#define TIMER 0x20ul
#define SOFTWARE 2ul
#define ROOT_ENTRY(address) ((address) >> 2 | 0xcf)

struct result {
  i64 error, value;
};

void second_start(void);
u32 load_at(u64 address);
u64 last_cause(void);

/** Steps of the second hart, as far as the first has asked for them and it has come. */
static u32 asked, reached;
static u64 second_opaque;
static u32 seen_first, seen_second;
static u64 second_counters;
static u64 table[512] __attribute__((aligned(4096)));
static u32 page_one[1024] __attribute__((aligned(4096)));
static u32 page_two[1024] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 leaves[512] __attribute__((aligned(4096)));

static struct result sbi(u64 extension, u64 function, u64 x, u64 y, u64 z) {
  register u64 a0 asm("a0") = x;
  register u64 a1 asm("a1") = y;
  register u64 a2 asm("a2") = z;
  register u64 a6 asm("a6") = function;
  register u64 a7 asm("a7") = extension;
  asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return (struct result){(i64)a0, (i64)a1};
}

static void print(const char *pattern, ...) {
  char text[160];
  __builtin_va_list values;
  __builtin_va_start(values, pattern);
  u64 length = formatv(text, sizeof text, pattern, values);
  __builtin_va_end(values);
  sbi(SBI_CONSOLE, 0, length, (u64)text, 0);
}

static u64 now(void) {
  u64 time;
  asm volatile("rdtime %0" : "=r"(time));
  return time;
}

static u64 pending(void) {
  u64 bits;
  asm volatile("csrr %0, sip" : "=r"(bits));
  return bits;
}

/** The second hart has come as far as that. */
static void step_of_second(u32 step) {
  __atomic_store_n(&asked, step, __ATOMIC_RELEASE);
  while (__atomic_load_n(&reached, __ATOMIC_ACQUIRE) < step)
    ;
}

static void reach(u32 step) {
  __atomic_store_n(&reached, step, __ATOMIC_RELEASE);
  while (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) <= step)
    ;
}

/** The gigabytes of devices and memory as they are, and one page of another, which `page` is behind. */
static void map(u32 *page) {
  leaves[0] = (u64)page >> 2 | 0xcf;
  middle[0] = (u64)leaves >> 2 | 1;
  table[1] = (u64)middle >> 2 | 1;
  table[0] = 0xcf;
  table[2] = ROOT_ENTRY(MEMORY);
}

/** Counters that programs may read. */
static u64 counters(void) {
  u64 value;
  asm volatile("csrr %0, scounteren" : "=r"(value));
  return value;
}

/** The second hart: waits for what it is asked for. It reads a page through its translations before and after the first hart has changed them. */
void second(u64 hart, u64 opaque) {
  second_opaque = opaque + hart;
  second_counters = counters();
  if (reached >= 5) {
    __atomic_store_n(&reached, 6, __ATOMIC_RELEASE);
    for (;;) asm volatile("wfi");
  }
  asm volatile("csrw sie, %0" ::"r"(SOFTWARE));
  reach(1);
  while ((pending() & SOFTWARE) == 0) asm volatile("wfi");
  asm volatile("csrc sip, %0" ::"r"(SOFTWARE));
  reach(2);
  asm volatile("csrw satp, %0; sfence.vma" ::"r"((u64)table >> 12 | 8ul << 60) : "memory");
  seen_first = *(volatile u32 *)0x40000000ul;
  reach(3);
  seen_second = *(volatile u32 *)0x40000000ul;
  reach(4);
  asm volatile("csrw satp, zero; sfence.vma" ::: "memory");
  __atomic_store_n(&reached, 5, __ATOMIC_RELEASE);
  sbi(SBI_HART, 1, 0, 0, 0);
}

static void ask_base(void) {
  print("version %x, implementation %x\n", (u64)sbi(SBI_BASE, 0, 0, 0, 0).value, (u64)sbi(SBI_BASE, 1, 0, 0, 0).value);
  static const u64 extensions[] = {SBI_BASE, SBI_TIME, SBI_IPI, SBI_FENCE, SBI_HART, SBI_RESET, SBI_CONSOLE, SBI_OLD_PUT, 0x504d55, 4};
  print("extensions");
  for (u64 at = 0; at < sizeof extensions / sizeof *extensions; at++) print(" %d", sbi(SBI_BASE, 3, extensions[at], 0, 0).value);
  print("\nunknown %d %d %d\n", sbi(0x504d55, 0, 0, 0, 0).error, sbi(SBI_BASE, 7, 0, 0, 0).error, sbi(4, 0, 0, 0, 0).error);
}

static void ask_console(u64 memory_end) {
  const char *text = "old\n";
  while (*text != 0) sbi(SBI_OLD_PUT, 0, (u64)*text++, 0, 0);
  print("console outside %d %d %d, other %d\n", sbi(SBI_CONSOLE, 0, 8, MEMORY, 0).error, sbi(SBI_CONSOLE, 0, 8, memory_end - 4, 0).error,
        sbi(SBI_CONSOLE, 0, ~0ul, memory_end, 0).error, sbi(SBI_CONSOLE, 3, 0, 0, 0).error);
  sbi(SBI_CONSOLE, 2, '!', 0, 0);
  print("\nfirmware's memory reads %x by cause %u\n", (u64)load_at(MEMORY), last_cause());
}

static void ask_timer(void) {
  asm volatile("csrw sie, %0" ::"r"(TIMER));
  u64 due = now() + 2000;
  sbi(SBI_TIME, 0, due, 0, 0);
  // Where the clock is not the instructions', it may have come to that time before this line.
  u64 raised = pending() & TIMER, early = now() < due ? raised : 0;
  while ((pending() & TIMER) == 0) asm volatile("wfi");
  print("timer early %u, late %u", early, (u64)(now() < due));
  sbi(SBI_TIME, 0, ~0ul, 0, 0);
  print(", off %u\n", pending() & TIMER);
}

static void ask_harts(u64 hart) {
  u64 other = 1 - hart;
  // Elsewhere harts begin when they like.
  while (sbi(SBI_HART, 2, other, 0, 0).error != SBI_OK)
    ;
  print("states %d %d, of none %d\n", sbi(SBI_HART, 2, hart, 0, 0).value, sbi(SBI_HART, 2, other, 0, 0).value, sbi(SBI_HART, 2, 9, 0, 0).error);
  print("start: none %d, itself %d, at firmware %d", sbi(SBI_HART, 0, 9, (u64)second_start, 0).error, sbi(SBI_HART, 0, hart, (u64)second_start, 0).error,
        sbi(SBI_HART, 0, other, MEMORY, 0).error);
  print(", other %d", sbi(SBI_HART, 0, other, (u64)second_start, 40).error);
  step_of_second(1);
  print(": told %u, state %d, again %d\n", second_opaque - other, sbi(SBI_HART, 2, other, 0, 0).value,
        sbi(SBI_HART, 0, other, (u64)second_start, 0).error);
  asked = 2;
  print("interrupt: %d, of none %d\n", sbi(SBI_IPI, 0, 1, other, 0).error, sbi(SBI_IPI, 0, 4, 7, 0).error);
  step_of_second(2);
  page_one[0] = 11;
  page_two[0] = 22;
  map(page_one);
  step_of_second(3);
  map(page_two);
  print("fence: %d, all %d, code %d, of guests %d\n", sbi(SBI_FENCE, 1, 1, other, 0x40000000).error, sbi(SBI_FENCE, 1, 0, ~0ul, 0).error,
        sbi(SBI_FENCE, 0, 0, ~0ul, 0).error, sbi(SBI_FENCE, 3, 0, ~0ul, 0).error);
  step_of_second(4);
  print("translations: %u, then %u\n", (u64)seen_first, (u64)seen_second);
  print("programs read counters %x, on the other hart %x\n", counters(), second_counters);
  asked = 5;
  while (sbi(SBI_HART, 2, other, 0, 0).value != HART_STOPPED)
    ;
  print("stopped, started again %d", sbi(SBI_HART, 0, other, (u64)second_start, 50).error);
  while (__atomic_load_n(&reached, __ATOMIC_ACQUIRE) < 6)
    ;
  print(": told %u\n", second_opaque - other);
}

void main(u64 hart, const void *tree) {
  struct board board = read_fdt(tree);
  ask_base();
  ask_console(MEMORY + board.memory);
  ask_timer();
  ask_harts(hart);
  print("reset: %d, sleep: %d %d\n", sbi(SBI_RESET, 0, 9, 0, 0).error, sbi(SBI_HART, 3, 7, 0, 0).error, sbi(SBI_HART, 3, 0x80000000ul, 0, 0).error);
  sbi(SBI_RESET, 0, 0, 0, 0);
  print("not off\n");
}
