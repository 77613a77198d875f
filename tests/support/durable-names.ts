/** What must be found after a power cut, of files that are made, named, written, synced and removed. */
import assert from 'node:assert/strict';

/** Of one file at the end of one step. */
interface Promised {
  readonly id: number;
  /** The version that is durable; the cut may have happened later. */
  readonly durable: number | undefined;
  readonly newest: number;
  /** Names under which it may be found: those it had when it became durable, and since. */
  readonly names: ReadonlySet<string>;
  /** It has lost its last name since. */
  readonly isRemoved: boolean;
}

class TrackedFile {
  readonly id: number;
  readonly versions: string[] = [];
  readonly everNamed = new Set<string>();
  readonly names = new Set<string>();
  durable: number | undefined;
  namesSince = new Set<string>();

  constructor(id: number) {
    this.id = id;
  }

  get newest(): number {
    return this.versions.length - 1;
  }

  give(name: string): void {
    this.names.add(name);
    this.namesSince.add(name);
    this.everNamed.add(name);
  }

  becomeDurable(): void {
    this.durable = this.names.size === 0 ? undefined : this.newest;
    this.namesSince = new Set(this.names);
  }

  promise(): Promised {
    const { id, durable, newest, names } = this;
    return { id, durable, newest, names: new Set(this.namesSince), isRemoved: names.size === 0 };
  }
}

/** A file as it was found: its bytes, and how many names it says it has. */
export interface Found {
  readonly contents: string;
  readonly nlink: number;
}

interface Step {
  readonly files: readonly Promised[];
  /** Names that are durable and were never free since, whichever file had them. */
  readonly names: ReadonlySet<string>;
  /** Names that were free for a while during the step. */
  readonly freed: ReadonlySet<string>;
}

export class DurableNames {
  readonly byName = new Map<string, TrackedFile>();
  private readonly files: TrackedFile[] = [];
  private readonly taken = new Set<string>();
  private freed = new Set<string>();
  private readonly steps: Step[] = [];

  make(name: string): void {
    const file = new TrackedFile(this.files.length);
    this.files.push(file);
    this.byName.set(name, file);
    file.give(name);
    file.versions.push('');
  }

  /** Contents for the next version: they tell whose they are. @param length - at least that of the version before */
  nextContents(name: string, length: number): string {
    const file = this.byName.get(name);
    assert.ok(file !== undefined);
    const contents = `file ${file.id} version ${file.versions.length} `;
    const size = Math.max(length, file.versions.at(-1)?.length ?? 0, contents.length);
    file.versions.push(contents.padEnd(size, contents));
    return file.versions.at(-1) ?? '';
  }

  link(name: string, further: string): void {
    const file = this.byName.get(name);
    assert.ok(file !== undefined);
    this.byName.set(further, file);
    file.give(further);
  }

  remove(name: string): void {
    this.take(name);
    this.taken.delete(name);
    this.freed.add(name);
  }

  rename(from: string, to: string): void {
    const file = this.byName.get(from);
    assert.ok(file !== undefined);
    this.take(to);
    this.remove(from);
    this.byName.set(to, file);
    file.give(to);
  }

  synced(name: string): void {
    this.byName.get(name)?.becomeDurable();
    this.taken.add(name);
  }

  committed(): void {
    for (const file of this.files) file.becomeDurable();
    for (const name of this.byName.keys()) this.taken.add(name);
  }

  endStep(): void {
    this.steps.push({ files: this.files.map((file) => file.promise()), names: new Set(this.taken), freed: this.freed });
    this.freed = new Set();
  }

  private take(name: string): void {
    this.byName.get(name)?.names.delete(name);
    this.byName.delete(name);
  }

  /**
   * @param step - the last that had returned before the cut
   * @throws AssertionError unless all that was promised is there
   */
  check(step: number, found: ReadonlyMap<string, Found>): void {
    const before = this.steps[step] ?? { files: [], names: new Set(), freed: new Set() };
    const after = this.steps[step + 1] ?? { ...before, freed: new Set() };
    for (const name of before.names) {
      if (!after.freed.has(name)) assert.ok(found.has(name), `${name} is there, which was never free`);
    }
    const versions = new Map(this.files.flatMap((file) => [[file.id, new Map<string, number>()] as const]));
    for (const [name, { contents, nlink }] of found) {
      const named = this.files.filter((file) => file.everNamed.has(name) && file.versions.includes(contents));
      // An empty file may be any of those that had the name and were never written before the cut.
      if (contents === '') continue;
      const [file] = named;
      assert.ok(file !== undefined, `${name} is a file that had this name, whole`);
      versions.get(file.id)?.set(name, file.versions.indexOf(contents));
      const names = [...found.values()].filter((other) => other.contents === contents).length;
      assert.equal(nlink, names, `${name} has as many links as names`);
    }
    for (const promise of before.files) {
      const later = after.files.find(({ id }) => id === promise.id) ?? promise;
      if (promise.durable === undefined || promise.durable === 0 || promise.isRemoved || later.isRemoved) continue;
      const places = [...(versions.get(promise.id) ?? [])];
      assert.ok(places.length > 0, `file ${promise.id} is there (${[...promise.names]}), found ${[...found.keys()]}`);
      for (const [name, version] of places) {
        assert.ok(promise.names.has(name) || later.names.has(name), `file ${promise.id} may be called ${name}`);
        assert.ok(
          version >= promise.durable,
          `file ${promise.id} is version ${promise.durable} at least, not ${version}`,
        );
        assert.ok(version <= later.newest, `file ${promise.id} is not from the future`);
      }
    }
  }
}
