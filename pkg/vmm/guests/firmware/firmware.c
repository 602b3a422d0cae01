/*
 * Firmware for kernels that begin in supervisor mode and ask machine mode by `ecall`: the supervisor binary interface (SBI 2.0) with the extensions base, timer, interrupts between harts,
 * remote fences, harts' states, reset and console, and of version 0.1 what needs no pointers. It runs on the simulated machine and on QEMU's `virt` alike.
 *
 * Invariants: it never reads or writes for a kernel what lies outside the kernel's memory; whatever it waits for it answers meanwhile, so two harts that ask each other both go on; a fence that it
 * has returned from has happened on all harts that were meant. It emulates no instruction: illegal ones, faults and misaligned accesses are the kernel's own.
 */
#include "../common/fdt.h"
#include "../common/sbi.h"
#include "../common/types.h"

#define SOFTWARE 8ul
#define SUPERVISOR_SOFTWARE 2ul
#define NEVER 0xfffffffffffffffful
#define ECALL_SUPERVISOR 9

void enter(u64 hart, u64 opaque, u64 address, u64 stack) __attribute__((noreturn));
void stopped(u64 hart, u64 stack) __attribute__((noreturn));

struct result {
  i64 error, value;
};

/** What harts tell each other. A fence is asked for by a ticket, and done when `served` has come to it. */
static struct hart {
  u64 stack;
  u64 address, opaque;
  u32 state;
  u32 interrupt;
  u32 tickets, served;
} harts[HARTS_MAX];
/** A bit for each hart that has come here. */
static u32 present;
static u64 memory_end;

static u64 self(void) {
  u64 hart;
  asm volatile("csrr %0, mhartid" : "=r"(hart));
  return hart;
}

static u32 look(u32 *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void put(u32 *word, u32 value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static int exists(u64 hart) {
  return hart < HARTS_MAX && (look(&present) >> hart & 1) != 0;
}

static void wake(u64 hart) {
  REG32(CLINT + 4 * hart) = 1;
}

/** Does what others have asked of this hart. */
static void serve(u64 hart) {
  struct hart *own = harts + hart;
  REG32(CLINT + 4 * hart) = 0;
  // What is asked for after this line raises the interrupt again.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  u32 tickets = look(&own->tickets);
  if (tickets != own->served) {
    asm volatile("sfence.vma; fence.i" ::: "memory");
    put(&own->served, tickets);
  }
  if (__atomic_exchange_n(&own->interrupt, 0, __ATOMIC_ACQ_REL) != 0) asm volatile("csrs mip, %0" ::"r"(SUPERVISOR_SOFTWARE));
}

/** Where a hart is that runs no kernel: until it is to start one. Whoever goes here says before that it is stopped: from then on another may start it. */
void wait_for_start(u64 hart) {
  struct hart *own = harts + hart;
  asm volatile("csrw mie, %0" ::"r"(SOFTWARE));
  while (look(&own->state) != HART_STARTING) {
    asm volatile("wfi");
    serve(hart);
  }
  asm volatile("csrci mip, 2");
  put(&own->state, HART_STARTED);
  enter(hart, own->opaque, own->address, own->stack);
}

/** Which harts of a mask are meant; 0 where one does not exist. */
static u32 meant(u64 mask, u64 base) {
  if (base == NEVER) return look(&present);
  u32 all = 0;
  for (u64 bit = 0; bit < 64; bit++) {
    if ((mask >> bit & 1) == 0) continue;
    if (!exists(base + bit)) return 0;
    all |= 1u << (base + bit);
  }
  return all;
}

static struct result interrupt(u64 mask, u64 base) {
  u32 all = meant(mask, base);
  if (all == 0 && mask != 0) return (struct result){SBI_INVALID, 0};
  for (u64 hart = 0; hart < HARTS_MAX; hart++) {
    if ((all >> hart & 1) == 0) continue;
    put(&harts[hart].interrupt, 1);
    wake(hart);
  }
  return (struct result){SBI_OK, 0};
}

/** All of a hart's translations and instructions, whatever part of them is asked for. */
static struct result fence(u64 function, u64 mask, u64 base) {
  // Guests of a hypervisor are for harts that have that extension.
  if (function > 2) return (struct result){SBI_NOT_SUPPORTED, 0};
  u32 all = meant(mask, base), tickets[HARTS_MAX] = {0};
  if (all == 0 && mask != 0) return (struct result){SBI_INVALID, 0};
  for (u64 hart = 0; hart < HARTS_MAX; hart++) {
    if ((all >> hart & 1) == 0) continue;
    tickets[hart] = __atomic_add_fetch(&harts[hart].tickets, 1, __ATOMIC_ACQ_REL);
    wake(hart);
  }
  for (u64 hart = 0; hart < HARTS_MAX; hart++)
    while ((all >> hart & 1) != 0 && (i32)(look(&harts[hart].served) - tickets[hart]) < 0) serve(self());
  return (struct result){SBI_OK, 0};
}

static struct result start_hart(u64 number, u64 address, u64 opaque) {
  if (!exists(number)) return (struct result){SBI_INVALID, 0};
  if (address < MEMORY + FIRMWARE_BYTES || address >= memory_end || (address & 1) != 0) return (struct result){SBI_INVALID_ADDRESS, 0};
  struct hart *hart = harts + number;
  // Two harts that start a third: one of them does.
  static u32 lock;
  while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) != 0) serve(self());
  int is_stopped = look(&hart->state) == HART_STOPPED;
  if (is_stopped) {
    hart->address = address;
    hart->opaque = opaque;
    put(&hart->state, HART_STARTING);
  }
  __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
  if (!is_stopped) return (struct result){SBI_AVAILABLE, 0};
  wake(number);
  return (struct result){SBI_OK, 0};
}

static struct result hart_call(u64 function, u64 *a) {
  switch (function) {
    case 0: return start_hart(a[0], a[1], a[2]);
    case 1:
      put(&harts[self()].state, HART_STOPPED);
      stopped(self(), harts[self()].stack);
    case 2: return exists(a[0]) ? (struct result){SBI_OK, look(&harts[a[0]].state)} : (struct result){SBI_INVALID, 0};
    case 3:
      // Only the sleep that keeps everything.
      if ((u32)a[0] != 0) return (struct result){(u32)a[0] == 0x80000000u ? SBI_NOT_SUPPORTED : SBI_INVALID, 0};
      put(&harts[self()].state, HART_SUSPENDED);
      asm volatile("wfi");
      put(&harts[self()].state, HART_STARTED);
      return (struct result){SBI_OK, 0};
    default: return (struct result){SBI_NOT_SUPPORTED, 0};
  }
}

static void off(u32 how) {
  for (;;) REG32(FINISHER) = how;
}

static struct result reset(u64 type, u64 reason) {
  if (type > 2 || reason > 1) return (struct result){SBI_INVALID, 0};
  off(type != 0 ? 0x7777 : reason == 0 ? 0x5555 : 0x13333);
  return (struct result){SBI_FAILED, 0};
}

static void put_byte(u8 byte) {
  while ((REG8(UART + 5) & 0x20) == 0)
    ;
  REG8(UART) = byte;
}

static i64 get_byte(void) {
  return (REG8(UART + 5) & 1) == 0 ? -1 : REG8(UART);
}

static struct result console(u64 function, u64 *a) {
  if (function == 2) {
    put_byte((u8)a[0]);
    return (struct result){SBI_OK, 0};
  }
  u64 bytes = a[0], at = a[1];
  if (function > 2) return (struct result){SBI_NOT_SUPPORTED, 0};
  int is_kernels = a[2] == 0 && at >= MEMORY + FIRMWARE_BYTES && at <= memory_end && bytes <= memory_end - at;
  if (!is_kernels) return (struct result){SBI_INVALID, 0};
  i64 done = 0;
  if (function == 0)
    for (; (u64)done < bytes; done++) put_byte(REG8(at + done));
  else
    for (i64 byte; (u64)done < bytes && (byte = get_byte()) >= 0; done++) REG8(at + done) = (u8)byte;
  return (struct result){SBI_OK, done};
}

static int is_known(u64 extension) {
  switch (extension) {
    case SBI_BASE: case SBI_TIME: case SBI_IPI: case SBI_FENCE: case SBI_HART: case SBI_RESET: case SBI_CONSOLE:
    case SBI_OLD_TIMER: case SBI_OLD_PUT: case SBI_OLD_GET: case SBI_OLD_CLEAR_IPI: case SBI_OLD_SHUTDOWN: return 1;
    default: return 0;
  }
}

static struct result base_call(u64 function, u64 asked) {
  u64 value = 0;
  switch (function) {
    case 0: value = 2ul << 24; break;
    // Nobody has given this implementation a number; the letters are its own.
    case 1: value = 0x636f78; break;
    case 2: value = 1; break;
    case 3: value = (u64)is_known(asked); break;
    case 4: asm volatile("csrr %0, mvendorid" : "=r"(value)); break;
    case 5: asm volatile("csrr %0, marchid" : "=r"(value)); break;
    case 6: asm volatile("csrr %0, mimpid" : "=r"(value)); break;
    default: return (struct result){SBI_NOT_SUPPORTED, 0};
  }
  return (struct result){SBI_OK, (i64)value};
}

static void set_timer(u64 time) {
  asm volatile("csrw 0x14d, %0" ::"r"(time));
}

/** The extensions of version 0.1 answer in a0 alone. */
static i64 old_call(u64 extension, u64 *a) {
  switch (extension) {
    case SBI_OLD_TIMER: set_timer(a[0]); return 0;
    case SBI_OLD_PUT: put_byte((u8)a[0]); return 0;
    case SBI_OLD_GET: return get_byte();
    case SBI_OLD_CLEAR_IPI: asm volatile("csrci mip, 2"); return 0;
    case SBI_OLD_SHUTDOWN: off(0x5555); return 0;
    default: return SBI_NOT_SUPPORTED;
  }
}

static struct result call(u64 extension, u64 function, u64 *a) {
  if (extension == SBI_BASE) return base_call(function, a[0]);
  if (extension == SBI_FENCE) return fence(function, a[0], a[1]);
  if (extension == SBI_HART) return hart_call(function, a);
  if (extension == SBI_CONSOLE) return console(function, a);
  if (function != 0) return (struct result){SBI_NOT_SUPPORTED, 0};
  if (extension == SBI_IPI) return interrupt(a[0], a[1]);
  if (extension == SBI_RESET) return reset((u32)a[0], (u32)a[1]);
  if (extension != SBI_TIME) return (struct result){SBI_NOT_SUPPORTED, 0};
  set_timer(a[0]);
  return (struct result){SBI_OK, 0};
}

/** `a`: the registers a0 to a7 of who trapped. */
void trapped(u64 *a) {
  u64 cause, pc, status;
  asm volatile("csrr %0, mcause; csrr %1, mepc; csrr %2, mstatus" : "=r"(cause), "=r"(pc), "=r"(status));
  if ((i64)cause < 0) {
    serve(self());
    return;
  }
  // A fault of the firmware itself: nothing can go on.
  if (cause != ECALL_SUPERVISOR || (status >> 11 & 3) != 1) off(0x463333);
  asm volatile("csrw mepc, %0" ::"r"(pc + 4));
  if (a[7] < SBI_BASE) {
    a[0] = (u64)old_call(a[7], a);
    return;
  }
  struct result result = call(a[7], a[6], a);
  a[0] = (u64)result.error;
  a[1] = (u64)result.value;
}

/** The firmware's part is its own; all else is the kernel's, whose traps are too. */
static void open_hart(void) {
  asm volatile("csrw pmpaddr0, %0" ::"r"(MEMORY >> 2 | (FIRMWARE_BYTES / 8 - 1)));
  asm volatile("csrw pmpaddr1, %0" ::"r"(NEVER >> 10));
  asm volatile("csrw pmpcfg0, %0" ::"r"(0x1f18ul));
  asm volatile("csrw medeleg, %0; csrw mideleg, %1" ::"r"(0xb1fful), "r"(0x222ul));
  // The clock may be read, by programs too, which Linux leaves to its firmware; and the supervisor has a timer of its own.
  asm volatile("csrw mcounteren, %0; csrw scounteren, %0; csrw 0x30a, %1" ::"r"(7ul), "r"(1ul << 63));
  set_timer(NEVER);
  asm volatile("csrw mie, %0" ::"r"(SOFTWARE));
}

void main(u64 hart, const void *tree, u64 stack) {
  harts[hart].stack = stack;
  open_hart();
  if (hart == 0) memory_end = MEMORY + read_fdt(tree).memory;
  if (hart != 0) put(&harts[hart].state, HART_STOPPED);
  __atomic_fetch_or(&present, 1u << hart, __ATOMIC_ACQ_REL);
  if (hart == 0) enter(hart, (u64)tree, KERNEL, stack);
  wait_for_start(hart);
}
