/* Reads a flattened device tree (Devicetree Specification 0.4, chapter 5); see fdt.h. Depth is followed, addresses are taken as two cells. */
#include "fdt.h"
#include "lib.h"

static u32 big(const u8 *bytes) {
  return (u32)bytes[0] << 24 | (u32)bytes[1] << 16 | (u32)bytes[2] << 8 | bytes[3];
}

struct board read_fdt(const void *tree) {
  struct board board = {0, ""};
  const u8 *start = tree;
  if (tree == NULL || big(start) != 0xd00dfeed) return board;
  const u8 *at = start + big(start + 8), *end = at + big(start + 36);
  const char *names = (const char *)start + big(start + 12), *node = "";
  while (at < end) {
    u32 token = big(at);
    at += 4;
    if (token == 1) {
      node = (const char *)at;
      at += (strlen(node) + 4) & ~3ul;
    } else if (token == 3) {
      u32 length = big(at);
      const char *name = names + big(at + 4);
      if (begins(node, "memory") && streq(name, "reg")) board.memory = (u64)big(at + 16) << 32 | big(at + 20);
      if (streq(node, "chosen") && streq(name, "bootargs")) board.arguments = (const char *)at + 8;
      at += 8 + ((length + 3) & ~3u);
    } else if (token == 9) break;
  }
  return board;
}

const char *argument(const char *arguments, const char *name) {
  while (*arguments != 0) {
    if (begins(arguments, name) && arguments[strlen(name)] == '=') return arguments + strlen(name) + 1;
    while (*arguments != 0 && *arguments != ' ') arguments++;
    while (*arguments == ' ') arguments++;
  }
  return NULL;
}
