/** Programs that people use, at work in an encrypted directory, before and after it was locked. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile, xfsIo } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

const sh = (script: string): string => mustRun('sh', '-ec', script);

/** What a program does in a directory of its own, and what must be true of it ever after. */
interface Work {
  begin(directory: string): void;
  check(directory: string): void;
}

/** A tree with hard links, symlinks, attributes, access control lists, holes and a fifo. */
function makeSource(): string {
  const source = temporaryPath();
  sh(`mkdir ${source} && cp -r src tests/support ${source}/ && cd ${source} && ln src/bytes/index.ts hard
    ln -s src soft; mkfifo fifo; truncate -s 1M holes
    printf data | dd of=holes bs=1 seek=500000 conv=notrunc status=none
    setfacl -m u:1:r src/bytes/index.ts; setfacl -d -m g:2:rwx src; setfattr -n user.note -v text src/fuse
    chmod 4750 support/seeded.ts; chown 1:2 support/seeded.ts; touch -d '1999-12-31 23:59:59.123456789 UTC' src/fuse`);
  return source;
}

const source = makeSource();

/** Everything the same, contents and attributes: rsync has nothing to do. */
function assertSameTree(one: string, other: string): void {
  assert.equal(sh(`rsync -aHAXcni --delete ${one}/ ${other}/`), '');
}

const tar: Work = {
  begin: (directory) => sh(`tar -C ${source} --xattrs --acls -cf - . | tar -C ${directory} --xattrs --acls -xpf -`),
  check: (directory) => {
    assertSameTree(source, directory);
    const again = temporaryPath();
    sh(`mkdir ${again}; tar -C ${directory} --xattrs --acls -cf - . | tar -C ${again} --xattrs --acls -xpf -`);
    assertSameTree(source, again);
  },
};

const rsync: Work = {
  begin: (directory) => sh(`rsync -aHAXS ${source}/ ${directory}/`),
  check: (directory) => {
    assertSameTree(source, directory);
    const again = temporaryPath();
    sh(`rsync -aHAXS ${directory}/ ${again}/`);
    assertSameTree(source, again);
  },
};

const AS_AUTHOR = 'git -c user.name=a -c user.email=a@b';

const git: Work = {
  begin: (directory) => {
    const origin = temporaryPath();
    sh(`cp -r src ${origin}; cd ${origin}; git init -q; git add .; ${AS_AUTHOR} commit -q -m all
      git clone -q --no-hardlinks ${origin} ${directory}/clone; cd ${directory}/clone
      for i in 1 2 3; do git checkout -q -b branch$i; echo $i > new$i; git add .; ${AS_AUTHOR} commit -q -m $i; done
      git checkout -q branch1; ${AS_AUTHOR} merge -q --no-ff -m merged branch3; git gc -q; git worktree add -q ../tree branch2`);
  },
  check: (directory) => {
    for (const tree of ['clone', 'tree']) {
      assert.equal(sh(`cd ${directory}/${tree}; git fsck --full --strict 2>&1 | grep -v ^dangling || true`), '');
      assert.equal(sh(`git -C ${directory}/${tree} status --porcelain`), '');
    }
    assert.equal(sh(`git -C ${directory}/clone log --oneline | wc -l`).trim(), '5');
  },
};

const JOURNALS = ['delete', 'truncate', 'persist', 'wal'];
const ROWS = 5000;

const sqlite: Work = {
  begin: (directory) => {
    for (const journal of JOURNALS) {
      const base = `${directory}/${journal}`;
      const run = (statements: string): string =>
        sh(`sqlite3 -bail -cmd '.timeout 60000' ${base} "${statements}" > /dev/null`);
      run(`pragma journal_mode = ${journal}; create table t (n integer primary key, x blob); create index i on t (x)`);
      // Two processes that take turns, one of them with the file mapped.
      const insert = (first: number, more: string): string =>
        `sqlite3 -bail -cmd '.timeout 60000' ${base} "${more} with recursive c (n) as
        (select ${first} union all select n + 2 from c where n < ${ROWS})
        insert into t select n, randomblob(200) from c;
        update t set x = randomblob(300) where n % 5 = ${first}; delete from t where n % 10 = ${first}"  > /dev/null`;
      sh(`${insert(1, 'pragma mmap_size = 100000000;')} & ${insert(2, '')}; wait`);
      run('begin; delete from t; rollback; vacuum');
    }
  },
  check: (directory) => {
    for (const journal of JOURNALS) {
      const answer = sh(`sqlite3 ${directory}/${journal} 'pragma integrity_check; select count(*) from t'`);
      assert.equal(answer, `ok\n${(ROWS * 8) / 10}\n`, journal);
    }
  },
};

const PACKAGE = {
  name: 'greeting',
  version: '1.0.0',
  bin: { greet: 'greet.js' },
  scripts: { postinstall: "node -e \"fs.writeFileSync('installed', 'yes')\"" },
  dependencies: { commander: '*' },
};

const COMPILER = {
  compilerOptions: { module: 'NodeNext', rootDir: 'src', outDir: 'build', types: ['node'], strict: true },
};

const npm: Work = {
  begin: (directory) => {
    const packages = temporaryPath();
    fs.mkdirSync(`${packages}/greeting`, { recursive: true });
    fs.writeFileSync(`${packages}/greeting/package.json`, JSON.stringify(PACKAGE));
    fs.writeFileSync(
      `${packages}/greeting/greet.js`,
      `#!/usr/bin/env node\nconsole.log('hello', typeof require('commander'))`,
    );
    const ours = ['commander', 'typescript', '@types/node', 'undici-types'].map((name) =>
      resolve('node_modules', name),
    );
    sh(`cd ${packages}; npm pack --silent --ignore-scripts ./greeting ${ours.join(' ')}`);
    fs.writeFileSync(`${directory}/tsconfig.json`, JSON.stringify(COMPILER));
    const tarballs = fs.readdirSync(packages).filter((name) => name.endsWith('.tgz'));
    sh(`mkdir ${directory}/src; cp -r src/bytes ${directory}/src/; mkdir ${directory}/packages; cp ${packages}/*.tgz ${directory}/packages/
      cd ${directory}; echo '{"name":"app","version":"1.0.0","type":"module"}' > package.json
      npm install --silent --offline --no-audit --no-fund --cache ./cache ${tarballs.map((name) => `./packages/${name}`).join(' ')}
      rm -r cache`);
  },
  check: (directory) => {
    sh(`cd ${directory}; npm ls --silent --offline`);
    assert.equal(sh(`${directory}/node_modules/.bin/greet`), 'hello object\n');
    assert.equal(sh(`cat ${directory}/node_modules/greeting/installed`), 'yes');
    sh(`cd ${directory}; rm -rf build; node_modules/.bin/tsc`);
    assert.equal(
      sh(`cd ${directory}; node -e 'import("./build/bytes/index.js").then((m) => console.log(m.roundUp(5, 4)))'`),
      '8\n',
    );
  },
};

const ALL: Readonly<Record<string, Work>> = { tar, rsync, git, sqlite, npm };
const abilities = requireAbility('fuse', 'xfs_io', 'git', 'rsync', 'sqlite3', 'setfacl', 'btrfs-progs');

test('programs work in an encrypted directory, before and after it is locked', abilities, () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(5);
  const vault = volume.at('vault');
  const identifier = makeEncryptedDirectory(volume.path, vault, keyFile);
  const check = (): void => {
    for (const [name, work] of Object.entries(ALL)) work.check(`${vault}/${name}`);
  };
  for (const [name, work] of Object.entries(ALL)) {
    fs.mkdirSync(`${vault}/${name}`);
    work.begin(`${vault}/${name}`);
  }
  check();
  const names = new Set(
    fs.readdirSync(vault, { recursive: true, encoding: 'utf8' }).flatMap((path) => path.split('/')),
  );
  const count = Number(sh(`find ${vault} | wc -l`));
  assert.match(xfsIo(volume.path, [`rm_enckey ${identifier}`]), /Removed/);
  const hidden = sh(`cd ${vault}; find . -mindepth 1 -printf '%f\\n'`).trim().split('\n');
  assert.equal(hidden.length, count - 1);
  assert.deepEqual(
    hidden.filter((name) => names.has(name)),
    [],
  );
  addKey(volume.path, keyFile);
  check();
  volume.remount();
  addKey(volume.path, keyFile);
  check();
  sh(`rm -r ${vault}/tar ${vault}/npm`);
  volume.finish();
});
