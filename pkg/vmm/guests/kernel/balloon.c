/*
 * The balloon: pages that the guest gives to its host, which forgets what they held, and takes back when the host wants fewer, or when it has none left itself. They are kept as a stack of numbers beside
 * the pages, in pages of the guest's own: below `pages_ballooned` those that the host has, above it those that came back and are free, of which nothing is written until somebody needs them, as
 * memory that is touched costs the host a page. Pages that were used and given back go first.
 */
#include "kernel.h"

/** Numbers in one request. */
#define TOLD 256
/** Free pages that the guest keeps. */
#define KEPT 64

u32 *balloon_pages;
static u64 known;

void *balloon_free_page(void) {
  return known > stats.pages_ballooned ? (void *)(balloon_pages[--known] * PAGE) : NULL;
}

/** Gives up to a request's pages. */
static void inflate(u64 wanted) {
  u64 first = stats.pages_ballooned;
  while (stats.pages_ballooned < MIN(first + TOLD, wanted) && stats.pages_free > KEPT) {
    if (known > stats.pages_ballooned) stats.pages_free--;
    else {
      void *page = page_take();
      // Without a device there is a host that finds equal pages, perhaps.
      if (!balloon_is_there) memset(page, 0, PAGE);
      balloon_pages[known++] = (u32)((u64)page / PAGE);
    }
    stats.pages_ballooned++;
  }
  balloon_tell(0, balloon_pages + first, stats.pages_ballooned - first);
}

static void deflate(u64 wanted) {
  u64 count = MIN(TOLD, stats.pages_ballooned - wanted);
  balloon_tell(1, balloon_pages + stats.pages_ballooned - count, count);
  stats.pages_ballooned -= count;
  stats.pages_free += count;
}

i64 balloon(u64 wanted) {
  while (stats.pages_ballooned < wanted && stats.pages_free > KEPT) inflate(wanted);
  while (stats.pages_ballooned > wanted) deflate(wanted);
  balloon_report((u32)stats.pages_ballooned);
  return (i64)stats.pages_ballooned;
}
