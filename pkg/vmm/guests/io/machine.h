/* What a kernel asks of whoever has the other halves of its devices: the bare machine (bare.c), or a monitor that it calls (ported.c). */
#pragma once
#include "rings.h"

void give_ring(enum which which, void *page);
void tell(enum which which);
void switch_off(void) __attribute__((noreturn));
