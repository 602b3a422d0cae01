/*
 * virtio over memory-mapped registers, version 2, and the drivers of the four devices: network, disk, console, balloon. Of each the first is taken. Buffers are
 * given to a device and looked at again only once it has used them; for what is sent no interrupt is asked, as it is collected with the next one.
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.1, 2.6 (split queues), 4.2 (MMIO), 5.1, 5.2, 5.3, 5.5.
 */
#include "kernel.h"

#define QUEUE 128
#define HEADER 12ul
#define BUFFER 2048

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct available { u16 flags, index, ring[QUEUE], event; };
struct used { u16 flags, index; struct { u32 id, length; } ring[QUEUE]; u16 event; };

struct queue {
  struct descriptor descriptors[QUEUE] __attribute__((aligned(4096)));
  struct available available;
  volatile struct used used __attribute__((aligned(4096)));
  u64 device;
  u16 number, seen;
  u32 size;
};

static struct queue net_in, net_out, disk, console_in, console_out, balloon_queues[2];
static u8 net_in_buffers[QUEUE][BUFFER], net_out_buffers[QUEUE][BUFFER];
static u16 net_out_free[QUEUE];
static u32 net_out_count;
static u64 devices[VIRTIO_COUNT];
static u8 console_buffer[256];
u8 net_mac[6];
int net_is_there;
u64 disk_sectors;
int balloon_is_there;

static void fence(void) { asm volatile("fence" ::: "memory"); }

/** Begins with a device: which features of the first 32 it may have, of those it has. */
static void begin(u64 at, u32 wanted) {
  REG32(at + 0x70) = 0;
  REG32(at + 0x70) = 3;
  REG32(at + 0x14) = 0;
  u32 features = REG32(at + 0x10) & wanted;
  REG32(at + 0x24) = 0;
  REG32(at + 0x20) = features;
  REG32(at + 0x24) = 1;
  REG32(at + 0x20) = 1;
  REG32(at + 0x70) = 11;
}

static void queue_start(struct queue *queue, u64 device, u16 number) {
  queue->device = device;
  queue->number = number;
  REG32(device + 0x30) = number;
  queue->size = MIN(REG32(device + 0x34), QUEUE);
  REG32(device + 0x38) = queue->size;
  u64 parts[3] = {(u64)queue->descriptors, (u64)&queue->available, (u64)&queue->used};
  for (u64 at = 0; at < 3; at++) {
    REG32(device + 0x80 + 16 * at) = (u32)parts[at];
    REG32(device + 0x84 + 16 * at) = (u32)(parts[at] >> 32);
  }
  REG32(device + 0x44) = 1;
}

static void offer(struct queue *queue, u16 first) {
  queue->available.ring[queue->available.index % queue->size] = first;
  fence();
  queue->available.index++;
  fence();
}

static void notify(struct queue *queue) {
  if (!(queue->used.flags & 1)) REG32(queue->device + 0x50) = queue->number;
}

static int has_used(struct queue *queue) {
  fence();
  return queue->seen != queue->used.index;
}

static void net_found(u64 at) {
  begin(at, 1 << 5);
  queue_start(&net_in, at, 0);
  queue_start(&net_out, at, 1);
  for (u64 byte = 0; byte < 6; byte++) net_mac[byte] = REG8(at + 0x100 + byte);
  for (u16 number = 0; number < net_in.size; number++) {
    net_in.descriptors[number] = (struct descriptor){(u64)net_in_buffers[number], BUFFER, 2, 0};
    offer(&net_in, number);
  }
  net_out.available.flags = 1;
  for (net_out_count = 0; net_out_count < net_out.size; net_out_count++) net_out_free[net_out_count] = (u16)net_out_count;
  REG32(at + 0x70) = 15;
  notify(&net_in);
  net_is_there = 1;
}

static void disk_found(u64 at) {
  begin(at, 0);
  queue_start(&disk, at, 0);
  disk_sectors = REG32(at + 0x100) | (u64)REG32(at + 0x104) << 32;
  REG32(at + 0x70) = 15;
}

static void console_found(u64 at) {
  begin(at, 0);
  queue_start(&console_in, at, 0);
  queue_start(&console_out, at, 1);
  console_in.descriptors[0] = (struct descriptor){(u64)console_buffer, sizeof console_buffer, 2, 0};
  offer(&console_in, 0);
  console_out.available.flags = 1;
  REG32(at + 0x70) = 15;
  notify(&console_in);
}

/** The guest takes pages back when it has none left (feature 2). Nothing is interrupted by queues that are waited for. */
static void balloon_found(u64 at) {
  begin(at, 1 << 2);
  for (u16 number = 0; number < 2; number++) {
    queue_start(&balloon_queues[number], at, number);
    balloon_queues[number].available.flags = 1;
  }
  REG32(at + 0x70) = 15;
  balloon_is_there = 1;
  if (REG32(at + 0x100) > 0) balloon(REG32(at + 0x100));
}

void balloon_tell(int takes_back, const u32 *numbers, u64 count) {
  struct queue *queue = &balloon_queues[takes_back];
  if (!balloon_is_there || count == 0) return;
  queue->descriptors[0] = (struct descriptor){(u64)numbers, (u32)count * 4, 0, 0};
  offer(queue, 0);
  notify(queue);
  while (!has_used(queue)) fence();
  queue->seen++;
}

void balloon_report(u32 pages) {
  if (balloon_is_there) REG32(balloon_queues[0].device + 0x104) = pages;
}

void devices_start(void) {
  for (u64 slot = 0; slot < VIRTIO_COUNT; slot++) {
    u64 at = VIRTIO + slot * 0x1000;
    if (REG32(at) != 0x74726976 || REG32(at + 4) != 2) continue;
    u32 kind = REG32(at + 8);
    if (kind == 1 && !net_is_there) net_found(at);
    else if (kind == 2 && disk_sectors == 0) disk_found(at);
    else if (kind == 3 && console_out.device == 0) console_found(at);
    else if (kind == 5 && !balloon_is_there) balloon_found(at);
    else continue;
    devices[slot] = at;
    REG32(PLIC + 4 * (slot + 1)) = 1;
    REG32(PLIC + 0x2080) |= 2u << slot;
  }
}

static void net_interrupt(void) {
  int had = 0;
  for (; has_used(&net_in); net_in.seen++, had = 1) {
    u32 id = net_in.used.ring[net_in.seen % net_in.size].id, length = net_in.used.ring[net_in.seen % net_in.size].length;
    stats.frames_in++;
    if (length > HEADER) net_receive(net_in_buffers[id] + HEADER, length - HEADER);
    offer(&net_in, (u16)id);
  }
  if (had) notify(&net_in);
}

static void console_interrupt(void) {
  for (; has_used(&console_in); console_in.seen++) {
    console_input(console_buffer, console_in.used.ring[console_in.seen % console_in.size].length);
    offer(&console_in, 0);
    notify(&console_in);
  }
}

void device_interrupt(u32 number) {
  if (number < 1 || number > VIRTIO_COUNT || devices[number - 1] == 0) return;
  u64 at = devices[number - 1];
  REG32(at + 0x64) = REG32(at + 0x60);
  if (at == net_in.device) net_interrupt();
  else if (at == disk.device && has_used(&disk)) wake(&disk_sectors);
  else if (at == console_in.device) console_interrupt();
  else if (at == balloon_queues[0].device) balloon(REG32(at + 0x100));
}

int console_device_write(const char *bytes, u64 length) {
  static char kept[QUEUE][256];
  static u16 turn;
  if (console_out.device == 0) return 0;
  for (; length > 0; turn++) {
    // All places under way: the host is slow, and its device is asked until it has one.
    while ((u16)(console_out.available.index - console_out.used.index) >= console_out.size) fence();
    u64 piece = MIN(length, 256ul);
    u16 place = turn % (u16)console_out.size;
    memcpy(kept[place], bytes, piece);
    console_out.descriptors[place] = (struct descriptor){(u64)kept[place], (u32)piece, 0, 0};
    offer(&console_out, place);
    notify(&console_out);
    bytes += piece;
    length -= piece;
  }
  return 1;
}

u8 *net_frame(void) {
  for (; has_used(&net_out); net_out.seen++) net_out_free[net_out_count++] = (u16)net_out.used.ring[net_out.seen % net_out.size].id;
  if (net_out_count == 0) {
    stats.frames_lost++;
    return NULL;
  }
  return net_out_buffers[net_out_free[--net_out_count]] + HEADER;
}

void net_send(u8 *frame, u64 length) {
  u16 place = (u16)((u64)(frame - &net_out_buffers[0][0]) / BUFFER);
  memset(net_out_buffers[place], 0, HEADER);
  net_out.descriptors[place] = (struct descriptor){(u64)net_out_buffers[place], (u32)(length + HEADER), 0, 0};
  stats.frames_out++;
  offer(&net_out, place);
  notify(&net_out);
}

i64 disk_transfer(int writes, u64 sector, u8 *page, u64 sectors) {
  static struct { u32 kind, reserved; u64 sector; } request;
  static volatile u8 status;
  static u8 *busy;
  static struct process *asker;
  if (sector + sectors > disk_sectors || sectors == 0) return NOTHING;
  int is_done = busy != NULL && has_used(&disk);
  // Who asked may be gone: then its page is let go, and the next has its turn.
  int is_forgotten = is_done && asker != current && (asker->state != WAITING || asker->channel != &disk_sectors);
  if (busy != NULL && !is_forgotten && (asker != current || !is_done)) return AGAIN;
  if (busy != NULL) {
    disk.seen++;
    page_drop(busy);
    busy = NULL;
    wake(&disk_sectors);
    if (!is_forgotten && status != 0) return GONE;
    if (!is_forgotten) {
      *(writes ? &stats.sectors_written : &stats.sectors_read) += sectors;
      return (i64)sectors;
    }
  }
  busy = (u8 *)((u64)page & ~(PAGE - 1));
  page_share(busy);
  asker = current;
  request.kind = writes ? 1 : 0;
  request.sector = sector;
  disk.descriptors[0] = (struct descriptor){(u64)&request, 16, 1, 1};
  disk.descriptors[1] = (struct descriptor){(u64)page, (u32)sectors * 512, writes ? 1 : 3, 2};
  disk.descriptors[2] = (struct descriptor){(u64)&status, 1, 2, 0};
  offer(&disk, 0);
  notify(&disk);
  return AGAIN;
}
