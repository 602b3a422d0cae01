/*
 * The guest's memory: its tables followed as a hart would, and shadow tables for the hart, one root for each way in which the guest looks at its memory. A shadow entry says
 * no more than the guest's said at its last fence, which is what a hart may go by.
 */
#include "monitor.h"
#include "../common/lib.h"

#define VIEWS 8
#define SUM (1ul << 18)
#define MXR (1ul << 19)
#define SV39 (8ul << 60)
#define FRAME 0xffffffffffful

extern u64 own_root[512];
extern char end_of_image[];

struct view {
  u64 satp, status;
  int kernel;
};
static struct view views[VIEWS];
/* Each view's, and no other table: the monitor's own entries stay in it, as it may run by it while the rest is emptied. */
static u64 roots[VIEWS][512] __attribute__((aligned(4096)));
static u64 view_count, used_view;
/* The hart keeps translations apart by the number of their space; else it is fenced whenever the tables are changed for others. */
static int has_spaces;
/* Entries were dropped since the hart was fenced. */
static int is_stale;
/* Pages for tables: from `pool` to `pool_end`; those below `touched` were used before and are not zeros. */
static u64 pool, pool_end, next_table, touched;
static u64 half, slot;
static u64 *root;
u64 own_base, own_level;

static u64 slot_of(u64 level) { return 511 - 2 * (level - 1); }

/* From where it is linked to where it goes on. */
u64 distance(u64 level) { return ((~0ul << 39) | (slot_of(level) << 30)) - MEMORY; }

static void map_own(u64 *table, u64 number) {
  table[number] = (MEMORY >> 12 << 10) | V | R | W | X | A | D;
  table[number - 1] = V | R | W | A | D;
}

/* Before paging: the tables with which it goes on. */
u64 make_own_tables(u64 level) {
  own_root[MEMORY >> 30] = (MEMORY >> 12 << 10) | V | R | W | X | A | D;
  map_own(own_root, slot_of(level));
  return SV39 | ((u64)own_root >> 12);
}

static u64 machine_of(void *own) { return (u64)own - own_base + MEMORY; }
static u64 *table_of(u64 entry) { return (u64 *)((entry >> 10 << 12) - MEMORY + own_base); }

void start_memory(u64 size, u64 level) {
  own_base = distance(level) + MEMORY;
  own_level = level;
  slot = slot_of(level);
  half = size / 2;
  pool = ((u64)end_of_image + PAGE - 1) & ~(PAGE - 1);
  pool_end = own_base + half;
  touched = pool;
  for (int index = 0; index < VIEWS; index++) map_own(roots[index], slot);
  u64 all_spaces = SV39 | 0xfffful << 44 | ((u64)own_root - own_base + MEMORY) >> 12;
  write_csr(satp, all_spaces);
  has_spaces = read_csr(satp) == all_spaces;
  forget_all();
}

int holds(u64 address) { return address >= MEMORY && address - MEMORY < half; }
void *at(u64 address) { return (void *)(address - MEMORY + own_base + half); }
int is_own(u64 virtual) { return (virtual >> 30 & 511) == slot || (virtual >> 30 & 511) == slot - 1; }

static u64 rights_of(u64 entry) {
  int user = (entry & U) != 0;
  int open = guest.kernel ? !user || (guest.sstatus & SUM) : user;
  int readable = (entry & R) || ((guest.sstatus & MXR) && (entry & X));
  u64 rights = 0;
  if (open && readable) rights |= R;
  if (open && (entry & W)) rights |= W;
  if ((guest.kernel ? !user : user) && (entry & X)) rights |= X;
  return rights;
}

static u64 access_fault(u64 touch) { return touch == EXECUTE ? 1 : touch == READ ? 5 : 7; }
static u64 bit_of(u64 touch) { return touch == EXECUTE ? X : touch == READ ? R : W; }

struct found find(u64 virtual, u64 touch) {
  struct found found = {.rights = R | W | X};
  if (guest.satp >> 60 == 0) {
    found.address = virtual;
    found.fault = virtual >> 56 ? access_fault(touch) : 0;
    return found;
  }
  found.fault = touch;
  if ((u64)((i64)(virtual << 25) >> 25) != virtual) return found;
  u64 table = (guest.satp & FRAME) << 12;
  for (int level = 2; level >= 0; level--) {
    u64 where = table + (virtual >> (12 + 9 * level) & 511) * 8;
    if (!holds(where)) {
      found.fault = access_fault(touch);
      return found;
    }
    u64 *word = at(where);
    u64 entry = *word;
    if (!(entry & V) || (entry & (R | W)) == W || entry >> 54) return found;
    if (!(entry & (R | X))) {
      if (entry & (U | A | D)) return found;
      table = (entry >> 10 & FRAME) << 12;
      continue;
    }
    u64 frame = entry >> 10 & FRAME, pages = 1ul << (9 * level);
    found.rights = rights_of(entry);
    if (frame % pages != 0 || !(found.rights & bit_of(touch))) return found;
    u64 marked = entry | A | (touch == WRITE ? D : 0);
    if (marked != entry) *word = marked;
    /* The first store is to be seen, as it marks the entry. */
    if (!(marked & D)) found.rights &= ~W;
    found.fault = 0;
    found.address = (frame << 12) + (virtual & (pages * PAGE - 1));
    found.is_big = level > 0;
    return found;
  }
  return found;
}

void forget_all(void) {
  next_table = pool;
  view_count = 0;
  root = NULL;
  is_stale = 1;
}

/* All but the monitor's own entries, if it is a root. Read first: a store may cost whoever watches this table an exit. */
static void clear(u64 *table, int is_root) {
  for (u64 index = 0; index < 512; index++) {
    int is_kept = is_root && (index == slot || index == slot - 1);
    if (table[index] != 0 && !is_kept) table[index] = 0;
  }
}

/* A page of zeros; NULL where there is none, and all were forgotten. */
static u64 *take_table(void) {
  if (next_table + PAGE > pool_end) {
    forget_all();
    return NULL;
  }
  u64 *table = (u64 *)next_table;
  next_table += PAGE;
  if (next_table <= touched) clear(table, 0);
  else touched = next_table;
  return table;
}

static u64 space_of(u64 view) { return has_spaces ? view + 1 : 0; }

void use_view(void) {
  struct view wanted = {.satp = guest.satp, .status = guest.sstatus & (guest.kernel ? SUM | MXR : MXR), .kernel = guest.kernel};
  u64 index = 0;
  while (index < view_count && (views[index].satp != wanted.satp || views[index].status != wanted.status || views[index].kernel != wanted.kernel)) index++;
  if (root != NULL && index == used_view) return;
  if (index == VIEWS) {
    forget_all();
    index = 0;
  }
  if (index == view_count) {
    clear(roots[index], 1);
    views[view_count++] = wanted;
  }
  used_view = index;
  root = roots[index];
  write_csr(satp, SV39 | space_of(index) << 44 | machine_of(root) >> 12);
  if (is_stale || !has_spaces) __asm__ volatile("sfence.vma" ::: "memory");
  is_stale = 0;
}

static u64 *below(u64 *entry) {
  if (*entry == 0) {
    u64 *table = take_table();
    if (table == NULL) return NULL;
    *entry = (machine_of(table) >> 12 << 10) | V;
  }
  return table_of(*entry);
}

void fill(u64 virtual, struct found page) {
  for (;;) {
    u64 *first = &root[virtual >> 30 & 511];
    u64 *middle = below(first);
    u64 *last = middle == NULL ? NULL : below(&middle[virtual >> 21 & 511]);
    if (last != NULL) {
      if (page.is_big && !(*first & BIG)) *first |= BIG;
      u64 machine = machine_of(at(page.address)) >> 12;
      last[virtual >> 12 & 511] = (machine << 10) | V | U | A | D | page.rights;
      break;
    }
    use_view();
  }
  __asm__ volatile("sfence.vma %0, %1" ::"r"(virtual), "r"(space_of(used_view)) : "memory");
}

/* After the guest's fence for an address. What came of a big page may be spread over all that the entry of the root leads to. */
void forget(u64 virtual, u64 asid) {
  for (u64 index = 0; index < view_count; index++) {
    if (asid != ~0ul && (views[index].satp >> 44 & 0xffff) != asid) continue;
    u64 first = is_own(virtual) ? 0 : roots[index][virtual >> 30 & 511];
    if (first == 0) continue;
    if (first & BIG) {
      forget_all();
      return;
    }
    u64 middle = table_of(first)[virtual >> 21 & 511];
    if (middle == 0) continue;
    u64 *last = &table_of(middle)[virtual >> 12 & 511];
    if (*last != 0) *last = 0;
  }
  __asm__ volatile("sfence.vma %0, zero" ::"r"(virtual) : "memory");
}
