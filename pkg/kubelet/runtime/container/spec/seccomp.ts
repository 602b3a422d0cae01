/**
 * Which calls of the kernel containers may make: those of the runtimes' usual profile, and those of a profile in a file of the node, in the form that Docker's
 * and Podman's are in. What a capability is needed for anyway is allowed with the capability. Pure.
 * Source: the default profiles of containerd 2 and Docker 27, seccomp(2), OCI runtime specification `config-linux.md`.
 */
import { RuntimeError } from '../../runtime.ts';
import type { OciSeccomp, OciSeccompArgument } from './oci-types.ts';

/** Allowed to everybody. The rest gets EPERM. */
const allowed = words(`
  _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime
  clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range
  connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
  epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir
  fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
  fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
  get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
  getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage
  getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill
  landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr listxattrat llistxattr
  lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
  mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
  mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
  name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect
  poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64
  ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
  removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
  sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
  sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile
  sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
  setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
  setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask
  sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
  timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
  timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat
  utimensat_time64 utimes vfork wait4 waitid waitpid write writev
`);

/** Allowed to who has a capability. */
const withCapability: Readonly<Record<string, readonly string[]>> = {
  BPF: ['bpf'],
  DAC_READ_SEARCH: ['open_by_handle_at'],
  PERFMON: ['perf_event_open'],
  SYSLOG: ['syslog'],
  SYS_ADMIN:
    words(`bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount mount_setattr move_mount
    open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns statmount syslog umount umount2 unshare`),
  SYS_BOOT: ['reboot'],
  SYS_CHROOT: ['chroot'],
  SYS_MODULE: ['delete_module', 'finit_module', 'init_module'],
  SYS_NICE: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'],
  SYS_PACCT: ['acct'],
  SYS_PTRACE: ['kcmp', 'pidfd_getfd', 'process_madvise'],
  SYS_RAWIO: ['ioperm', 'iopl'],
  SYS_TIME: ['clock_settime', 'clock_settime64', 'settimeofday', 'stime'],
  SYS_TTY_CONFIG: ['vhangup'],
};

/** All but the sockets that speak to the hypervisor (AF_VSOCK). */
const noVsock: OciSeccompArgument = { index: 0, value: 40, op: 'SCMP_CMP_NE' };
/** Linux, 32-bit, the one without random addresses, both, and the question which it is. */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
/** The flags of `clone` that make namespaces. */
const namespaceFlags = 0x7e020000;
/** `clone3` has its flags in memory, which no filter sees: who gets ENOSYS falls back to `clone`. */
const enosys = 38;

/** By Node's name of the processor: the kernel's, and those of programs that it runs besides. */
const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};
const ownCalls: Readonly<Record<string, readonly string[]>> = {
  x64: ['arch_prctl', 'modify_ldt'],
  arm64: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
};

/** Whose profile it is. */
export interface SeccompSubject {
  /** Node's name of it. */
  readonly architecture: string;
  /** Capabilities that the container has, with `CAP_`. */
  readonly capabilities: readonly string[];
}

/** The runtimes' usual profile. */
export function defaultSeccomp({ architecture, capabilities }: SeccompSubject): OciSeccomp {
  const allow = (names: readonly string[], args?: readonly OciSeccompArgument[]) => ({
    names,
    action: 'SCMP_ACT_ALLOW',
    ...(args === undefined ? {} : { args }),
  });
  const owned = Object.entries(withCapability).filter(([name]) => capabilities.includes(`CAP_${name}`));
  const mayClone = capabilities.includes('CAP_SYS_ADMIN');
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: architectures[architecture] ?? [],
    syscalls: [
      allow([...allowed, ...(ownCalls[architecture] ?? [])]),
      allow(['socket'], [noVsock]),
      ...personalities.map((value) => allow(['personality'], [{ index: 0, value, op: 'SCMP_CMP_EQ' }])),
      ...owned.map(([, names]) => allow(names)),
      ...(mayClone
        ? []
        : [
            // The first value is the mask; what is left under it has to be the second.
            allow(['clone'], [{ index: 0, value: namespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
            { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: enosys },
          ]),
    ],
  };
}

interface ProfileRule {
  readonly name?: string;
  readonly names?: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly OciSeccompArgument[] | null;
  readonly includes?: ProfileCondition;
  readonly excludes?: ProfileCondition;
}

interface ProfileCondition {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
}

interface Profile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null }[];
  readonly syscalls?: readonly ProfileRule[];
}

/** As profiles name Node's architectures. */
const profileArches: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** A profile from the text of a file. Throws `RuntimeError` `failed` for what is none. */
export function seccompOf(text: string, { architecture, capabilities }: SeccompSubject): OciSeccomp {
  let profile: Profile;
  try {
    profile = JSON.parse(text);
  } catch (cause) {
    throw new RuntimeError('failed', 'cannot load seccomp profile: it is no JSON', cause);
  }
  if (typeof profile?.defaultAction !== 'string')
    throw new RuntimeError('failed', 'cannot load seccomp profile: it has no defaultAction');
  const applies = (condition: ProfileCondition | undefined, isAll: boolean): boolean => {
    const caps = condition?.caps ?? [];
    const arches = condition?.arches ?? [];
    if (isAll) {
      return (
        caps.every((name) => capabilities.includes(name)) &&
        (arches.length === 0 || arches.includes(profileArches[architecture] ?? ''))
      );
    }
    return (
      caps.some((name) => capabilities.includes(name)) || arches.some((name) => name === profileArches[architecture])
    );
  };
  const [native] = architectures[architecture] ?? [];
  const mapped = profile.archMap?.find((entry) => entry.architecture === native);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures:
      mapped === undefined ? (profile.architectures ?? []) : [mapped.architecture, ...(mapped.subArchitectures ?? [])],
    syscalls: (profile.syscalls ?? [])
      .filter(({ includes, excludes }) => applies(includes, true) && !applies(excludes, false))
      .map(({ name, names, action, errnoRet, args }) => ({
        names: names ?? (name === undefined ? [] : [name]),
        action,
        ...(errnoRet === undefined ? {} : { errnoRet }),
        ...(args === undefined || args === null ? {} : { args }),
      })),
  };
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
