/* What the monitor does at each trap of its guest: what the hart would have done had it been the guest's. */
#include "monitor.h"
#include "../common/lib.h"

#define SIE 2ul
#define SPIE 0x20ul
#define SPP 0x100ul
#define FS (3ul << 13)
#define UXL (2ul << 32)

extern char image[], image_end[];
extern void resume(struct guest *guest) __attribute__((noreturn));

struct guest guest;
u64 exits[REASONS];

void stop(const char *why) {
  say("the guest ");
  say(why);
  say("\n");
  switch_off(0x13333);
}

static void set_status(u64 value) {
  guest.sstatus = (value & 0xc6122ul) | UXL;
  if ((guest.sstatus & FS) == FS) guest.sstatus |= 1ul << 63;
}

void pass(u64 cause, u64 value) {
  guest.sepc = guest.pc;
  guest.scause = cause;
  guest.stval = value;
  u64 kept = guest.sstatus & ~(SIE | SPIE | SPP);
  set_status(kept | (guest.sstatus & SIE ? SPIE : 0) | (guest.kernel ? SPP : 0));
  guest.kernel = 1;
  guest.pc = guest.stvec & ~3ul;
}

static void leave_trap(void) {
  guest.kernel = (guest.sstatus & SPP) != 0;
  u64 kept = guest.sstatus & ~(SIE | SPP);
  set_status(kept | (guest.sstatus & SPIE ? SIE : 0) | SPIE);
  guest.pc = guest.sepc;
}

/* A register of the guest, and the bits that a write keeps; NULL where there is none of the number. */
static u64 *register_of(u64 number, u64 *mask) {
  *mask = ~0ul;
  if (number == 0x100) return &guest.sstatus;
  if (number == 0x105) return &guest.stvec;
  if (number == 0x140) return &guest.sscratch;
  if (number == 0x142) return &guest.scause;
  if (number == 0x143) return &guest.stval;
  if (number == 0x180) return &guest.satp;
  *mask = 0xfffffffffffffffeul;
  if (number == 0x141) return &guest.sepc;
  *mask = 0x222;
  if (number == 0x104) return &guest.sie;
  *mask = 0xfffffffful;
  if (number == 0x106) return &guest.scounteren;
  *mask = 1;
  if (number == 0x10a) return &guest.senvcfg;
  *mask = 2;
  return number == 0x144 ? &guest.sip : NULL;
}

static void write_register(u64 number, u64 *to, u64 value) {
  if (number == 0x100) set_status(value);
  else if (number == 0x105 && (value & 3) > 1) return;
  else if (number == 0x180 && value >> 60 != 0 && value >> 60 != 8) return;
  else *to = value;
}

/* False if the instruction is illegal there. */
static int access_register(u32 word) {
  u64 mask, number = word >> 20, kind = word >> 12 & 3, source = word >> 15 & 31;
  u64 *found = register_of(number, &mask);
  if (kind == 0 || found == NULL) return 0;
  u64 given = word & 0x4000 ? source : source ? guest.x[source] : 0;
  u64 old = *found;
  if (kind == 1 || source != 0) {
    u64 wanted = kind == 1 ? given : kind == 2 ? old | given : old & ~given;
    write_register(number, found, wanted & mask);
  }
  if ((word >> 7 & 31) != 0) guest.x[word >> 7 & 31] = old;
  guest.pc += 4;
  return 1;
}

static void fence(u32 word) {
  u64 address = word >> 15 & 31, asid = word >> 20 & 31;
  guest.pc += 4;
  if (address == 0) forget_all();
  else forget(guest.x[address], asid == 0 ? ~0ul : guest.x[asid] & 0xffff);
}

static void privileged(u32 word) {
  int reason = -1;
  if (!guest.kernel) reason = REFLECTED;
  else if (word == 0x10200073) {
    reason = RETURN;
    leave_trap();
  } else if (word == 0x10500073) {
    reason = WAIT;
    guest.pc += 4;
  } else if ((word & 0xfe007fff) == 0x12000073) {
    reason = FENCE;
    fence(word);
  } else if ((word & 0x7f) == 0x73 && access_register(word)) reason = REGISTER;
  if (reason < 0) reason = REFLECTED;
  exits[reason]++;
  if (reason == REFLECTED) pass(2, word);
}

static void fault(u64 cause, u64 virtual) {
  struct found page = find(virtual, cause);
  if (page.fault == 0 && holds(page.address)) {
    if (is_own(virtual)) stop("maps something where the monitor keeps its own");
    exits[SHADOW_FAULT]++;
    fill(virtual, page);
  } else if (page.fault == 0 && is_device(page.address) && cause != EXECUTE) {
    exits[DEVICE]++;
    device(page.address, cause, virtual);
  } else {
    exits[REFLECTED]++;
    pass(page.fault != 0 ? page.fault : cause == EXECUTE ? 1 : cause == READ ? 5 : 7, virtual);
  }
}

/* The guest where it goes on. */
struct guest *handle(void) {
  u64 cause = read_csr(scause), value = read_csr(stval);
  guest.pc = read_csr(sepc);
  if (cause != EXECUTE && guest.pc >= own_base && guest.pc - own_base < 1ul << 30) stop("has a monitor that traps itself");
  if (cause == 2) privileged(value);
  else if (cause == EXECUTE || cause == READ || cause == WRITE) fault(cause, value);
  else if (cause == 8 && guest.kernel) stop("calls firmware, of which it has none");
  else {
    exits[cause == 8 ? SYSCALL : REFLECTED]++;
    pass(cause, value);
  }
  use_view();
  write_csr(sepc, guest.pc);
  return &guest;
}

void main(u64 a0, u64 a1, u64 a2, u64 a3, u64 size, u64 level) {
  start_memory(size, level);
  memcpy(at(MEMORY), image, image_end - image);
  guest.kernel = 1;
  guest.pc = MEMORY;
  guest.x[10] = a0;
  guest.x[11] = a1;
  guest.x[12] = a2;
  guest.x[13] = a3;
  guest.x[14] = size / 2;
  guest.x[15] = level + 1;
  set_status(0);
  use_view();
  write_csr(sscratch, &guest);
  write_csr(sepc, guest.pc);
  __asm__ volatile("csrc sstatus, %0" ::"r"(SPP));
  resume(&guest);
}
