/*
 * A guest that rewrites its own code: a function that it calls, and the instruction right behind the store. a0 says whether it fences (fence.i) after each store, a1 how often it
 * does so. Without the fence the architecture lets a hart run the old instruction; this machine's does not.
 */
#include "probe.h"

#define ADDI_A0 0x513u
#define RET 0x8067u

static u32 spot[16] __attribute__((aligned(64))) = {ADDI_A0, RET};

static u64 ahead(u32 word, u64 fences) {
  register u64 result __asm__("a0");
  __asm__ volatile(
      ".option push\n.option norvc\n la t0, 2f\n sw %1, 0(t0)\n beqz %2, 2f\n la t0, 1f\n sw %1, 0(t0)\n fence.i\n1: addi a0, zero, 0\n j 3f\n2: addi a0, zero, 0\n3:\n.option pop"
      : "=r"(result)
      : "r"(word), "r"(fences)
      : "t0", "memory");
  return result;
}

void main(u64 fences, u64 times) {
  start_traps();
  for (u64 index = 0; index < times; index++) {
    u32 word = ADDI_A0 | (u32)(index + 1) << 20;
    ((volatile u32 *)spot)[0] = word;
    if (fences) __asm__ volatile("fence.i" ::: "memory");
    u64 called = ((u64(*)(void))spot)();
    say_hex("called", called);
    say_hex(" ahead", ahead(word, fences));
    REG8(UART) = '\n';
  }
  switch_off();
}
