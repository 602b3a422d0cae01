/* The kernel's parts, and what each offers to the others. One hart, interrupts off in the kernel: nothing here needs a lock. */
#ifndef KERNEL_H
#define KERNEL_H
#include "../common/fdt.h"
#include "../common/lib.h"
#include "abi.h"

/* memory.c: pages, counted, and address spaces. */
extern struct stats stats;
void memory_start(u64 bytes);
/** A page with one owner, whatever it holds; NULL when there is none. */
void *page_take(void);
/** The same of zeros. */
void *page_new(void);
void page_share(void *page);
/** Gives up one owner's hold. */
void page_drop(void *page);
u64 *space_new(void);
void space_free(u64 *root);
/** A copy whose pages are shared until one of both writes; 0 when memory is out. */
int space_fork(u64 *to, u64 *from);
int space_map(u64 *root, u64 address, void *page, u64 flags);
u64 space_pages(u64 *root);
#define FLAG_R 2ul
#define FLAG_W 4ul
#define FLAG_X 8ul

/* process.c: processes and whose turn it is. */
enum state { NONE, READY, WAITING, ZOMBIE };
#define PROCESSES 64
#define SOCKETS 512
struct process {
  enum state state;
  u64 pid, parent, deadline, break_at, exit_code, ticks;
  /** What it waits for; woken by `wake` with the same. */
  const void *channel;
  u64 *space;
  u64 frame[32];
  /** Sockets with news, each at most once. */
  u16 ready[SOCKETS];
  u32 ready_first, ready_count;
};
extern struct process processes[PROCESSES], *current;
void process_start_first(void);
i64 process_fork(void);
i64 process_wait(u64 *code);
void process_end(struct process *process, u64 code);
struct process *process_of(u64 pid);
/** The page at an address of a process, made, or copied, as needed; NULL where it has no business. */
u8 *process_page(struct process *process, u64 address, int writes);
/** Copies between kernel and process; 0 when the addresses are not the process's. */
int copy_in(void *to, u64 from, u64 bytes);
int copy_out(u64 to, const void *from, u64 bytes);
/** The current process goes on, with the same call again, when `channel` is woken or at `deadline`. */
void wait_for(const void *channel, u64 deadline);
void wake(const void *channel);
void schedule(void) __attribute__((noreturn));
#define NEVER (~0ul)
/** When the timer interrupts next. */
extern u64 timer;
void set_timer(u64 at);

/* trap.c */
u64 now(void);
void off(u64 code) __attribute__((noreturn));
void panic(const char *why) __attribute__((noreturn));
void handle_interrupts(void);

/* console.c */
void print(const char *pattern, ...);
void console_write(const char *bytes, u64 length);
u64 console_read(char *bytes, u64 length);
void console_input(const u8 *bytes, u64 length);
void uart_start(void);
void uart_interrupt(void);

/* balloon.c: gives pages to the host, or takes them back, until it has so many; how many it has then. */
i64 balloon(u64 wanted);
/** A page that came back from the host and that nobody has; NULL when there is none. */
void *balloon_free_page(void);
/** Room for the numbers of all pages. */
extern u32 *balloon_pages;

/* virtio.c: the transport and the four devices on it. */
void devices_start(void);
void device_interrupt(u32 number);
int console_device_write(const char *bytes, u64 length);
extern u8 net_mac[6];
extern int net_is_there;
/** A place for a frame to be sent, 1,514 bytes; NULL when all are under way. */
u8 *net_frame(void);
void net_send(u8 *frame, u64 length);
extern u64 disk_sectors;
/** Up to eight sectors. AGAIN: it is under way, wake channel `&disk_sectors`. */
i64 disk_transfer(int writes, u64 sector, u8 *page, u64 sectors);

extern int balloon_is_there;
/** Tells the host of pages that it has now, or has no more; returns when it knows. */
void balloon_tell(int takes_back, const u32 *numbers, u64 count);
/** How many it has. */
void balloon_report(u32 pages);

/* net.c and tcp.c */
void net_start(const char *arguments);
void net_receive(u8 *frame, u64 length);
u32 net_sum(u32 sum, const void *bytes, u64 length);
u16 net_fold(u32 sum);
u32 get32(const u8 *at);
u16 get16(const u8 *at);
void put32(u8 *at, u32 value);
void put16(u8 *at, u16 value);
extern u32 net_address;
/** Fills in Ethernet and IPv4 headers for `length` bytes behind them and sends. */
void ip_send(u8 *frame, const u8 *mac, u32 to, u8 protocol, u64 length);
void tcp_receive(const u8 *mac, u32 from, const u8 *segment, u64 length);
/** Sends what is due; returns when it wants to be called again. */
u64 tcp_tick(u64 time);
/** Acknowledges what no answer has acknowledged. */
void tcp_flush(void);
i64 tcp_listen(u16 port);
i64 tcp_accept(u64 socket);
i64 tcp_recv(u64 socket, u64 to, u64 length);
i64 tcp_send(u64 socket, u64 from, u64 length);
i64 tcp_close(u64 socket);
i64 tcp_claim(u64 socket);
void tcp_orphans(struct process *process);
void tcp_told(u64 socket);
#endif
