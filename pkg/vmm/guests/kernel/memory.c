/*
 * Pages with counted owners, and Sv39 address spaces. Pages are taken in order and only then from those given back, so that memory that was never needed is
 * never touched. All spaces share the kernel's own entries: devices in the first gigabyte, memory from the third on, for supervisor mode alone.
 */
#include "kernel.h"

#define VALID 1ul
#define USER 16ul
#define GLOBAL 32ul
#define ACCESSED 64ul
#define DIRTY 128ul
/** A bit left to software: shared, to be copied by who writes first. */
#define COPY 256ul
#define ROOT_USER 64
/** Pages that come back from the balloon when there are no others. */
#define BACK 64ul

struct stats stats;
extern char kernel_end[];
static u16 *owners;
static u64 first, next, last;
static struct free { struct free *next; } *freed;
static u64 kernel_root[2];

void memory_start(u64 bytes) {
  owners = (u16 *)(((u64)kernel_end + PAGE - 1) & ~(PAGE - 1));
  u64 counts = (bytes / PAGE * sizeof *owners + PAGE - 1) & ~(PAGE - 1);
  balloon_pages = (u32 *)((u64)owners + counts);
  u64 table = counts + ((bytes / PAGE * sizeof *balloon_pages + PAGE - 1) & ~(PAGE - 1));
  first = next = (u64)owners + table;
  last = MEMORY + bytes;
  stats.pages = bytes / PAGE;
  stats.pages_free = (last - next) / PAGE;
  kernel_root[0] = VALID | FLAG_R | FLAG_W | GLOBAL | ACCESSED | DIRTY;
  kernel_root[1] = (MEMORY >> 2) | VALID | FLAG_R | FLAG_W | FLAG_X | GLOBAL | ACCESSED | DIRTY;
}

static u16 *owner(void *page) { return owners + ((u64)page - MEMORY) / PAGE; }

void *page_take(void) {
  if (stats.pages_free == 0 && stats.pages_ballooned > 0) balloon(stats.pages_ballooned - MIN(stats.pages_ballooned, BACK));
  void *page = freed;
  if (page != NULL) freed = freed->next;
  else page = balloon_free_page();
  if (page == NULL) {
    if (next == last) return NULL;
    page = (void *)next;
    next += PAGE;
  }
  stats.pages_free--;
  *owner(page) = 1;
  return page;
}

void *page_new(void) {
  void *page = page_take();
  return page == NULL ? NULL : memset(page, 0, PAGE);
}

void page_share(void *page) { ++*owner(page); }

void page_drop(void *page) {
  if (--*owner(page) > 0) return;
  struct free *entry = page;
  entry->next = freed;
  freed = entry;
  stats.pages_free++;
}

static u64 *table_of(u64 entry) { return (u64 *)((entry >> 10) << 12); }

u64 *space_new(void) {
  u64 *root = page_new();
  if (root == NULL) return NULL;
  root[0] = kernel_root[0];
  root[2] = kernel_root[1];
  root[3] = kernel_root[1] + (1ul << 28);
  return root;
}

/** The entry of an address; with `makes`, tables on the way are made, and NULL means that memory is out. */
static u64 *walk(u64 *root, u64 address, int makes) {
  for (int level = 2; level > 0; level--) {
    u64 *entry = root + ((address >> (12 + 9 * level)) & 511);
    if (!(*entry & VALID)) {
      u64 *table = makes ? page_new() : NULL;
      if (table == NULL) return NULL;
      *entry = ((u64)table >> 2) | VALID;
    }
    root = table_of(*entry);
  }
  return root + ((address >> 12) & 511);
}

int space_map(u64 *root, u64 address, void *page, u64 flags) {
  u64 *entry = walk(root, address, 1);
  if (entry == NULL) return 0;
  *entry = ((u64)page >> 2) | flags | VALID | USER | ACCESSED | (flags & FLAG_W ? DIRTY : 0);
  return 1;
}

void space_free(u64 *root) {
  for (int middle = 0; root[ROOT_USER] & VALID && middle < 512; middle++) {
    u64 entry = table_of(root[ROOT_USER])[middle];
    if (!(entry & VALID)) continue;
    u64 *table = table_of(entry);
    for (int at = 0; at < 512; at++)
      if (table[at] & VALID) page_drop(table_of(table[at]));
    page_drop(table);
  }
  if (root[ROOT_USER] & VALID) page_drop(table_of(root[ROOT_USER]));
  page_drop(root);
}

int space_fork(u64 *to, u64 *from) {
  for (u64 middle = 0; from[ROOT_USER] & VALID && middle < 512; middle++) {
    u64 upper = table_of(from[ROOT_USER])[middle];
    if (!(upper & VALID)) continue;
    u64 *table = table_of(upper);
    for (u64 at = 0; at < 512; at++) {
      if (!(table[at] & VALID)) continue;
      if (table[at] & FLAG_W) table[at] = (table[at] & ~(FLAG_W | DIRTY)) | COPY;
      u64 *entry = walk(to, USER_START | middle << 21 | at << 12, 1);
      if (entry == NULL) return 0;
      page_share(table_of(table[at]));
      *entry = table[at];
    }
  }
  return 1;
}

u64 space_pages(u64 *root) {
  u64 count = 0;
  for (int middle = 0; root[ROOT_USER] & VALID && middle < 512; middle++) {
    u64 entry = table_of(root[ROOT_USER])[middle];
    for (int at = 0; entry & VALID && at < 512; at++) count += table_of(entry)[at] & VALID;
  }
  return count;
}

/** Makes a shared page the process's own. */
static u8 *own(u64 *entry, u64 address) {
  u8 *page = (u8 *)table_of(*entry);
  if (*owner(page) > 1) {
    u8 *copy = page_new();
    if (copy == NULL) return NULL;
    stats.copies_on_write++;
    memcpy(copy, page, PAGE);
    page_drop(page);
    page = copy;
  }
  *entry = ((u64)page >> 2) | (*entry & 0x3ff & ~COPY) | FLAG_W | DIRTY;
  asm volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
  return page;
}

u8 *process_page(struct process *process, u64 address, int writes) {
  address &= ~(PAGE - 1);
  if (address < USER_START || address >= STACK_END) return NULL;
  u64 *entry = walk(process->space, address, 0);
  if (entry != NULL && *entry & VALID) {
    if (!writes || *entry & FLAG_W) return (u8 *)table_of(*entry);
    return *entry & COPY ? own(entry, address) : NULL;
  }
  int is_heap = address >= HEAP_START && address < process->break_at;
  if (!is_heap && address < STACK_END - STACK_BYTES) return NULL;
  u8 *page = page_new();
  if (page == NULL || !space_map(process->space, address, page, FLAG_R | FLAG_W)) {
    if (page != NULL) page_drop(page);
    return NULL;
  }
  asm volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
  return page;
}

static int copy(u64 address, u8 *bytes, u64 length, int writes) {
  while (length > 0) {
    u64 inside = address & (PAGE - 1), piece = MIN(PAGE - inside, length);
    u8 *page = process_page(current, address, writes);
    if (page == NULL) return 0;
    if (writes) memcpy(page + inside, bytes, piece);
    else memcpy(bytes, page + inside, piece);
    address += piece;
    bytes += piece;
    length -= piece;
  }
  return 1;
}

int copy_in(void *to, u64 from, u64 bytes) { return copy(from, to, bytes, 0); }

int copy_out(u64 to, const void *from, u64 bytes) { return copy(to, (u8 *)from, bytes, 1); }
