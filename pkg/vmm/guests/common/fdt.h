/* The device tree that the machine hands over, as far as guests ask: how much memory there is, and the command line. */
#ifndef FDT_H
#define FDT_H
#include "types.h"
struct board {
  /** Bytes from MEMORY on; 0 when the tree does not say. */
  u64 memory;
  /** /chosen/bootargs, within the tree; "" without. */
  const char *arguments;
};
struct board read_fdt(const void *tree);
/** The value of `name=` on a command line, up to its space; NULL without. */
const char *argument(const char *arguments, const char *name);
#endif
