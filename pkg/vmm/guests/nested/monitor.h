/*
 * A monitor that is itself a guest: trap and emulate for one guest, in mode S of whatever machine it is given, which may be a guest of another monitor or of this one.
 * It relies on nothing but that its sensitive instructions trap in mode U, and looks at no clock (Popek and Goldberg 1974, theorem 2). Shadow tables are a translation
 * buffer filled by software: empty at first, filled at faults, emptied where the guest fences.
 *
 * Parameters: a0 to a3 are its guest's, a4 the bytes of its memory, of which the guest gets the upper half, a5 its number, from 1. Under the guest's addresses it keeps
 * two gigabytes of 512 for itself, which its number says; a guest that maps something there is stopped.
 */
#pragma once
#include "../common/types.h"

/* Bits of an entry. The last is the monitor's: under this entry of a root lie pages that come of big ones. */
#define V 1ul
#define R 2ul
#define W 4ul
#define X 8ul
#define U 16ul
#define A 64ul
#define D 128ul
#define BIG 256ul

enum { EXECUTE = 12, READ = 13, WRITE = 15 };
enum { REGISTER, RETURN, FENCE, WAIT, SYSCALL, REFLECTED, SHADOW_FAULT, DEVICE, REASONS };

/* The guest: its registers first, as start.S has them by number. */
struct guest {
  u64 x[32];
  u64 pc;
  int kernel;
  u64 sstatus, sie, stvec, scounteren, senvcfg, sscratch, sepc, scause, stval, sip, satp;
};
extern struct guest guest;
extern u64 exits[REASONS];

/* Where an address leads: a page of the guest's, or a fault of this cause. */
struct found {
  u64 fault;
  u64 address;
  u64 rights;
  int is_big;
};

/* main.c */
void pass(u64 cause, u64 value);
void stop(const char *why) __attribute__((noreturn));

/* memory.c */
extern u64 own_base, own_level;
void start_memory(u64 size, u64 level);
struct found find(u64 virtual, u64 touch);
int holds(u64 address);
/* The guest's memory at an address of its own that it holds, for the monitor. */
void *at(u64 address);
/* Has the hart use the tables for how the guest looks at its memory now. */
void use_view(void);
void fill(u64 virtual, struct found page);
void forget(u64 virtual, u64 asid);
void forget_all(void);
int is_own(u64 virtual);

/* devices.c */
void say(const char *text);
void say_number(u64 value);
void device(u64 address, u64 cause, u64 value);
int is_device(u64 address);
void switch_off(u32 word) __attribute__((noreturn));

#define read_csr(name) ({ u64 got; __asm__ volatile("csrr %0, " #name : "=r"(got)); got; })
#define write_csr(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"(value) : "memory")
