/* What a kernel asks of the machine that it was made for: the bare one (bare.c), or a monitor that it calls (ported.c). */
#pragma once
#include "../common/types.h"

#define USER_STACK 0x2000100000ul
#define USER_CODE 0x2000000000ul

/* Tables and a trap vector; the root of the tables. `take` gives zeroed pages. */
u64 *set_up(u64 (*take)(void), void (*vector)(void));
/* Maps the program's code and stack for mode U. */
void map_user(u64 *root, u64 code, u64 stack, u64 (*take)(void));
/* Says that a zeroed page will be a table of a level, 0 holding what maps pages. */
void make_table(u64 *page, int level);
u64 pointer_to(u64 *table);
u64 entry_of(u64 page, u64 bits);
void set_entry(u64 *entry, u64 value);
/* After it what was set holds. */
void flush_entries(void);
/* Sets a bit of the kernel's status, says whether it is set, and clears it again. */
u64 set_status(void);
void put_byte(char byte);
void switch_off(int code) __attribute__((noreturn));
