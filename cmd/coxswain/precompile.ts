/**
 * Compiles what a start needs, so that the first one is as quick as the others: an install runs it. Loads the modules of every process and of
 * the default drivers, and runs none of them.
 */
import { keepCompiledCode, storeCompiledCode } from '#cmd/common/load-code.js';

keepCompiledCode();
await Promise.all([
  import('./up-detached.ts'),
  import('./up-foreground.ts'),
  import('./up-processes.ts'),
  import('./down.ts'),
  import('./status.ts'),
  import('./kubectl.ts'),
  import('#cmd/apiserver/wiring.ts'),
  import('#cmd/kubelet/wiring.ts'),
  import('#pkg/cluster/parts.ts'),
  import('#pkg/controllers/manager.ts'),
  import('#pkg/kubelet/kubelet.ts'),
  import('#pkg/kubelet/probes/socket-transport.ts'),
  import('#pkg/kubelet/runtime/inprocess/inprocess-runtime.ts'),
  import('#pkg/kubelet/runtime/inprocess/host/host-process.ts'),
  import('#pkg/kubelet/runtime/inprocess/host/program-host.ts'),
  import('#pkg/kubelet/volumes/disk-volume-host.ts'),
  import('#pkg/network/loopback/loopback-network.ts'),
  import('#pkg/proxy/backends/userspace/userspace-backend.ts'),
  import('#pkg/proxy/proxy.ts'),
  import('#pkg/scheduler/scheduler.ts'),
  import('#pkg/storage/drivers/lmdb/lmdb-store.ts'),
]);
storeCompiledCode();
