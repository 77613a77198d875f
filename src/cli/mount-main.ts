/** The mount helper of mount(8), installed as /sbin/mount.fuse.butterlock. */
import { runMountHelper } from './system-mount.js';

process.exitCode = await runMountHelper(process.argv.slice(2));
