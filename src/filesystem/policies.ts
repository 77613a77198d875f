/** Encryption policies of inodes: setting one, finding a file's, and what may go where. */
import { FsError, isFsError, toHex } from '../bytes/index.js';
import {
  decodeFileExtent,
  EMPTY_SUBVOL_DIR_OBJECTID,
  EXTENT_DATA_KEY,
  FSCRYPT_INODE_CTX_KEY,
  INODE_CONTEXT_SIZE,
  INODE_NODATACOW,
  INODE_NODATASUM,
  Key,
} from '../format/index.js';
import {
  checkPolicy,
  encodeInodeContext,
  newInodeContext,
  type Policy,
  parseInodeContext,
  policiesEqual,
} from '../fscrypt/index.js';
import { isEmptyDirectory, namesOf } from './entries.js';
import type { Inode } from './inode.js';
import { canBeEncrypted } from './mode.js';

/** The context and the inode's item. */
const ITEMS_OF_POLICY = 2;

/**
 * @throws FsError EOPNOTSUPP (encryption off), EROFS, EPERM (placeholder), EACCES, ENOTDIR, EEXIST, ENOTEMPTY, EINVAL,
 * ENOKEY, in this order
 */
export function setPolicy(directory: Inode, policy: Policy, asOwner: boolean, mayNameAbsentKey: boolean): void {
  const { filesystem, subvolume } = directory;
  if (filesystem.layout === undefined) {
    throw new FsError('EOPNOTSUPP', 'encryption is not enabled on this volume');
  }
  filesystem.assertWritable(subvolume);
  if (directory.ino === EMPTY_SUBVOL_DIR_OBJECTID) {
    throw new FsError('EPERM', 'the placeholder of a missing subvolume cannot be changed');
  }
  if (!asOwner) throw new FsError('EACCES', `${directory.describe()} belongs to somebody else`);
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${directory.describe()} is no directory`);
  if (directory.encrypted) {
    if (directory.policy !== undefined && policiesEqual(directory.policy, policy)) return;
    throw new FsError('EEXIST', `${directory.describe()} has another encryption policy`);
  }
  if (directory.item.nlink === 0) throw new FsError('ENOENT', `${directory.describe()} has been removed`);
  if (!isEmptyDirectory(directory)) throw new FsError('ENOTEMPTY', 'only an empty directory can be encrypted');
  checkPolicy(policy);
  if (!mayNameAbsentKey) assertKeyOf(directory, policy);
  filesystem.change(ITEMS_OF_POLICY, () => {
    const context = newInodeContext(policy, filesystem.transaction.random);
    subvolume.tree.insert(new Key(directory.ino, FSCRYPT_INODE_CTX_KEY, 0), encodeInodeContext(context));
    directory.adoptPolicy(policy, context);
    directory.item.flags &= ~(INODE_NODATACOW | INODE_NODATASUM);
    directory.touch('attributes');
    filesystem.rememberLayout();
  });
}

/** @throws FsError ENOKEY if the key of an encrypted inode is not there */
export function assertKey(inode: Inode): void {
  if (!inode.encrypted) return;
  if (inode.policy === undefined) throw new FsError('ENOKEY', `${inode.describe()} is encrypted by an unknown policy`);
  if (inode.hold === undefined) assertKeyOf(inode, inode.policy);
}

function assertKeyOf({ filesystem: { keyring } }: Inode, { masterKeyIdentifier }: Policy): void {
  if (!keyring.has(masterKeyIdentifier)) {
    throw new FsError('ENOKEY', `the master key ${toHex(masterKeyIdentifier)} is not there`);
  }
}

/** Whether an inode may have a name in a directory: into an encrypted one only with its policy. */
export function mayHold(directory: Inode, inode: Inode): boolean {
  if (!directory.encrypted || !canBeEncrypted(inode.item.mode)) return true;
  const { policy } = directory;
  return policy !== undefined && inode.policy !== undefined && policiesEqual(policy, inode.policy);
}

/** @throws FsError EXDEV */
export function assertMayHold(directory: Inode, inode: Inode): void {
  if (mayHold(directory, inode)) return;
  throw new FsError('EXDEV', `${inode.describe()} is not encrypted by the policy of ${directory.describe()}`);
}

/**
 * The policy of an encrypted regular file without a context of its own, as layout `trailing` has
 * them: that of an encrypted directory it has a name in, else that of its extents.
 */
export function inheritedPolicy(inode: Inode): Policy | undefined {
  if (inode.filesystem.layout !== 'trailing') return undefined;
  return policyOfDirectories(inode) ?? policyOfExtents(inode);
}

function policyOfDirectories({ subvolume, ino }: Inode): Policy | undefined {
  for (const { parent } of namesOf(subvolume.tree, ino)) {
    try {
      const directory = subvolume.inode(parent);
      if (directory.isDirectory && directory.policy !== undefined) return directory.policy;
    } catch (error) {
      if (!isFsError(error, 'ENOENT', 'EUCLEAN', 'EINVAL')) throw error;
    }
  }
  return undefined;
}

/** The policy that the first encrypted extent of a file carries (layout `trailing`). */
export function policyOfExtents({ subvolume: { tree }, ino }: Inode): Policy | undefined {
  const cursor = tree.seek(new Key(ino, EXTENT_DATA_KEY, 0));
  for (; cursor.isItemOf(ino, EXTENT_DATA_KEY); cursor.next()) {
    const { context } = decodeFileExtent(cursor.view, cursor.at, cursor.size);
    if (context?.length === INODE_CONTEXT_SIZE) return parseInodeContext(context).policy;
  }
  return undefined;
}
