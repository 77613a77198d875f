/**
 * Random steps for a filesystem and its model: each does the same to both and compares the
 * outcome, an errno's name or success. What they read alike is for {@link assertSameState}.
 *
 * Steps choose among what the model holds when they run, so most of them do something; now and
 * then one must fail. A step prints as the call it made.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  comparableState,
  type DrivenFilesystem,
  type FallocateMode,
  type RenameMode,
  stateOf,
} from './driven-filesystem.js';
import type { ModelFilesystem } from './model.js';
import type { ModelNode } from './model-node.js';

export type Step = fc.Command<ModelFilesystem, DrivenFilesystem>;

export interface StepOptions {
  /** Make, snapshot and delete subvolumes. Default true. */
  readonly subvolumes?: boolean;
  /** Share ranges between files. Default true. */
  readonly clones?: boolean;
  /** Names of policies to encrypt directories under. Default none. */
  readonly policies?: readonly string[];
  /** Close and open again now and then. Default false. */
  readonly reopen?: boolean;
}

/** A call made to the model and the real filesystem in turn. */
interface Operation {
  readonly text: string;
  apply(filesystem: DrivenFilesystem): void;
}

/** Chooses the operation by what the model holds; undefined if it has nothing fitting. */
type Plan = (model: Contents) => Operation | undefined;

/** What a step chooses from: the paths that the model holds. */
type Contents = Pick<ModelFilesystem, 'paths'>;

/** More entries than this and nothing more is made. */
const MAX_ENTRIES = 200;
const MAX_SUBVOLUMES = 8;

class PlannedStep implements Step {
  private readonly plan: Plan;
  private text = 'not run';

  constructor(plan: Plan) {
    this.plan = plan;
  }

  check(model: Readonly<ModelFilesystem>): boolean {
    return this.plan(model) !== undefined;
  }

  run(model: ModelFilesystem, real: DrivenFilesystem): void {
    const operation = this.plan(model);
    if (operation === undefined) return;
    this.text = operation.text;
    const expected = outcomeOf(() => operation.apply(model));
    const actual = outcomeOf(() => operation.apply(real));
    assert.equal(actual, expected, operation.text);
  }

  toString(): string {
    return this.text;
  }
}

/** `done`, or the errno's name of the error. Any other error is the caller's to see. */
function outcomeOf(call: () => void): string {
  try {
    call();
    return 'done';
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
    throw error;
  }
}

/** Fails unless both filesystems show the same, down to every byte. */
export function assertSameState(real: DrivenFilesystem, model: ModelFilesystem): void {
  const wanted = stateOf(model);
  assert.deepEqual(comparableState(stateOf(real), wanted), wanted);
}

/** Bytes that tell where they belong: no two sectors of one seed are alike. */
export function patternBytes(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

// --- what steps choose from ---

const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('sixteen bytes ok', 'seventeen bytes ok', 'größer', '.hidden', 'n'.repeat(150)),
  },
  { weight: 1, arbitrary: fc.constantFrom('m'.repeat(255), 'too long '.repeat(40)) },
);
const which = fc.nat(1_000_000);
const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o700, 0o444);
const position = fc.oneof(
  fc.constantFrom(0, 1, 4095, 4096, 8192, 65536, 131072, 200_000),
  fc.nat(64).map((sectors) => sectors * 4096),
  fc.nat(300_000),
);
const length = fc.oneof(fc.constantFrom(1, 100, 2000, 4095, 4096, 4097, 8192, 65536, 140_000), fc.nat(20_000));
const xattrName = fc.constantFrom('user.one', 'user.two', 'trusted.three', `user.${'x'.repeat(200)}`);

const isFile = (node: ModelNode): boolean => node.type === 'file';
const isOpenable = (node: ModelNode): boolean => node.type === 'file' || node.type === 'dir' || node.type === 'symlink';

function pick(model: Contents, index: number, wanted: (node: ModelNode) => boolean): string | undefined {
  const paths = model.paths((node, path) => path !== '/' && !node.placeholder && wanted(node));
  return paths[index % paths.length];
}

/** A path for something new: any directory, and a name that may be taken. */
function pickNew(model: Contents, index: number, chosen: string): string | undefined {
  const directories = model.paths((node) => node.type === 'dir' && !node.placeholder);
  const directory = directories[index % directories.length] ?? '/';
  return directory === '/' ? `/${chosen}` : `${directory}/${chosen}`;
}

/** As {@link pickNew}, while there is room. */
function pickAddition(model: Contents, index: number, chosen: string): string | undefined {
  return model.paths().length < MAX_ENTRIES ? pickNew(model, index, chosen) : undefined;
}

/** An operation on paths, if all of them could be chosen. */
function operation<P extends readonly string[]>(
  text: string,
  paths: { readonly [I in keyof P]: string | undefined },
  apply: (filesystem: DrivenFilesystem, paths: P) => void,
): Operation | undefined {
  if (paths.some((path) => path === undefined)) return undefined;
  const chosen = paths as unknown as P;
  return { text: `${text} ${JSON.stringify(chosen)}`, apply: (filesystem) => apply(filesystem, chosen) };
}

const step = <T>(arbitrary: fc.Arbitrary<T>, plan: (value: T, model: Contents) => Operation | undefined) =>
  arbitrary.map((value): Step => new PlannedStep((model) => plan(value, model)));

// --- the steps ---

const nameSteps = [
  step(fc.tuple(which, name, mode), ([at, chosen, bits], model) =>
    operation<[string]>(`create ${bits.toString(8)}`, [pickAddition(model, at, chosen)], (fs, [path]) =>
      fs.create(path, bits),
    ),
  ),
  step(fc.tuple(which, name, mode), ([at, chosen, bits], model) =>
    operation<[string]>(`mkdir ${bits.toString(8)}`, [pickAddition(model, at, chosen)], (fs, [path]) =>
      fs.mkdir(path, bits),
    ),
  ),
  step(fc.tuple(which, name, fc.constantFrom(1, 30, 300, 3900)), ([at, chosen, size], model) =>
    operation<[string]>(`symlink ${size}`, [pickAddition(model, at, chosen)], (fs, [path]) =>
      fs.symlink(`nowhere/${'t'.repeat(size)}`.slice(0, size + 8), path),
    ),
  ),
  step(fc.tuple(which, name, mode), ([at, chosen, bits], model) =>
    operation<[string]>('mkfifo', [pickAddition(model, at, chosen)], (fs, [path]) => fs.mkfifo(path, bits)),
  ),
  step(fc.tuple(which, which, name), ([from, at, chosen], model) =>
    operation<[string, string]>(
      'link',
      [pick(model, from, () => true), pickAddition(model, at, chosen)],
      (fs, [source, path]) => fs.link(source, path),
    ),
  ),
  step(which, (at, model) =>
    operation<[string]>('unlink', [pick(model, at, () => true)], (fs, [path]) => fs.unlink(path)),
  ),
  step(which, (at, model) =>
    operation<[string]>('rmdir', [pick(model, at, () => true)], (fs, [path]) => fs.rmdir(path)),
  ),
  step(
    fc.tuple(which, which, name, fc.constantFrom<RenameMode>('replace', 'noreplace')),
    ([from, at, chosen, how], model) =>
      operation<[string, string]>(
        `rename ${how}`,
        [pick(model, from, () => true), pickNew(model, at, chosen)],
        (fs, [source, path]) => fs.rename(source, path, how),
      ),
  ),
  step(fc.tuple(which, which, fc.constantFrom<RenameMode>('replace', 'exchange')), ([from, to, how], model) =>
    operation<[string, string]>(
      `rename ${how}`,
      [pick(model, from, () => true), pick(model, to, () => true)],
      (fs, [source, path]) => fs.rename(source, path, how),
    ),
  ),
];

const dataSteps = [
  step(fc.tuple(which, position, length, which), ([at, start, count, seed], model) =>
    operation<[string]>(`write ${start}+${count} seed ${seed}`, [pick(model, at, isOpenable)], (fs, [path]) =>
      fs.write(path, start, patternBytes(seed, count)),
    ),
  ),
  step(fc.tuple(which, position, length, which), ([at, start, count, seed], model) =>
    operation<[string]>(`write ${start}+${count} seed ${seed}`, [pick(model, at, isFile)], (fs, [path]) =>
      fs.write(path, start, patternBytes(seed, count)),
    ),
  ),
  step(fc.tuple(which, position), ([at, size], model) =>
    operation<[string]>(`truncate ${size}`, [pick(model, at, isOpenable)], (fs, [path]) => fs.truncate(path, size)),
  ),
  step(
    fc.tuple(
      which,
      fc.constantFrom<FallocateMode>(
        'allocate',
        'keepSize',
        'punchHole',
        'punchHole',
        'zeroRange',
        'zeroRangeKeepSize',
      ),
      position,
      length,
    ),
    ([at, how, start, count], model) =>
      operation<[string]>(`fallocate ${how} ${start}+${count}`, [pick(model, at, isFile)], (fs, [path]) =>
        fs.fallocate(path, how, start, count),
      ),
  ),
];

const attributeSteps = [
  step(fc.tuple(which, mode), ([at, bits], model) =>
    operation<[string]>(`chmod ${bits.toString(8)}`, [pick(model, at, isOpenable)], (fs, [path]) =>
      fs.chmod(path, bits),
    ),
  ),
  step(fc.tuple(which, fc.nat(3000), fc.nat(3000)), ([at, uid, gid], model) =>
    operation<[string]>(`chown ${uid}:${gid}`, [pick(model, at, ({ type }) => type !== 'dir')], (fs, [path]) =>
      fs.chown(path, uid, gid),
    ),
  ),
  step(fc.tuple(which, fc.bigInt(0n, 4_000_000_000_000_000_000n)), ([at, time], model) =>
    operation<[string]>(`utimes ${time}`, [pick(model, at, () => true)], (fs, [path]) => fs.utimes(path, time)),
  ),
  step(fc.tuple(which, xattrName, fc.uint8Array({ maxLength: 300 })), ([at, key, value], model) =>
    operation<[string]>(`setXattr ${key}`, [pick(model, at, () => true)], (fs, [path]) =>
      fs.setXattr(path, key, value),
    ),
  ),
  step(fc.tuple(which, xattrName), ([at, key], model) =>
    operation<[string]>(`removeXattr ${key}`, [pick(model, at, () => true)], (fs, [path]) => fs.removeXattr(path, key)),
  ),
];

const cloneSteps = [
  step(fc.tuple(which, which, fc.nat(40), fc.nat(20), fc.nat(40)), ([from, to, start, count, at], model) =>
    operation<[string, string]>(
      `cloneRange ${start * 4096}+${count * 4096} to ${at * 4096}`,
      [pick(model, from, isFile), pick(model, to, isFile)],
      (fs, [source, path]) => fs.cloneRange(source, start * 4096, count * 4096, path, at * 4096),
    ),
  ),
  step(fc.tuple(which, which), ([from, to], model) =>
    operation<[string, string]>(
      'cloneRange all',
      [pick(model, from, isFile), pick(model, to, isFile)],
      (fs, [source, path]) => {
        fs.truncate(path, 0);
        fs.cloneRange(source, 0, 0, path, 0);
      },
    ),
  ),
];

const isSubvolume = (node: ModelNode): boolean => node.subvolume !== undefined;

function pickForSubvolume(model: Contents, index: number, chosen: string): string | undefined {
  return model.paths(isSubvolume).length < MAX_SUBVOLUMES ? pickAddition(model, index, chosen) : undefined;
}

const subvolumeSteps = [
  step(fc.tuple(which, name), ([at, chosen], model) =>
    operation<[string]>('createSubvolume', [pickForSubvolume(model, at, chosen)], (fs, [path]) =>
      fs.createSubvolume(path),
    ),
  ),
  step(fc.tuple(which, which, name, fc.boolean()), ([from, at, chosen, readOnly], model) => {
    const subvolumes = model.paths(isSubvolume);
    return operation<[string, string]>(
      `snapshot ${readOnly ? 'read-only' : 'writable'}`,
      [subvolumes[from % subvolumes.length], pickForSubvolume(model, at, chosen)],
      (fs, [source, path]) => fs.snapshot(source, path, readOnly),
    );
  }),
  step(which, (at, model) =>
    operation<[string]>('deleteSubvolume', [pick(model, at, isSubvolume)], (fs, [path]) => fs.deleteSubvolume(path)),
  ),
];

const policySteps = (policies: readonly string[]) => [
  step(fc.tuple(which, fc.constantFrom(...policies)), ([at, policy], model) =>
    operation<[string]>(`setPolicy ${policy}`, [pick(model, at, ({ type }) => type === 'dir')], (fs, [path]) =>
      fs.setPolicy?.(path, policy),
    ),
  ),
];

const lastingSteps = (reopen: boolean) => [
  step(fc.constant(undefined), () => ({ text: 'sync', apply: (fs) => fs.sync() })),
  ...(reopen
    ? [step(fc.constant(undefined), () => ({ text: 'reopen', apply: (fs: DrivenFilesystem) => fs.reopen?.() }))]
    : []),
];

/** Step arbitraries for `fc.commands`; frequent kinds appear more than once. */
export function modelSteps(options: StepOptions = {}): fc.Arbitrary<Step>[] {
  const { subvolumes = true, clones = true, policies = [], reopen = false } = options;
  return [
    ...nameSteps,
    ...nameSteps.slice(0, 2),
    ...dataSteps,
    ...dataSteps,
    ...attributeSteps,
    ...(clones ? cloneSteps : []),
    ...(subvolumes ? subvolumeSteps : []),
    ...(policies.length > 0 ? policySteps(policies) : []),
    ...lastingSteps(reopen),
  ];
}
