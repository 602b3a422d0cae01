/**
 * What a cluster behind the terminal runs, with the default drivers: loaded by its process while whoever started it looks whether there may be one. It
 * does nothing by itself; what a cluster has otherwise is loaded when it is known.
 */
import './up.ts';
import './up-foreground.ts';
import '#pkg/cluster/api-part.ts';
import '#pkg/cluster/parts.ts';
import '#pkg/cluster/start-nodes.ts';
import '#pkg/storage/drivers/lmdb/lmdb-store.ts';
