/** Programs that people use, at work in an encrypted directory, before and after it was locked. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile, xfsIo } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

const abilities = requireAbility('fuse', 'xfs_io', 'git', 'rsync', 'sqlite3', 'setfacl', 'btrfs-progs');

test('git, tar, rsync and sqlite in an encrypted directory', abilities, () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(5);
  const vault = volume.at('vault');
  const identifier = makeEncryptedDirectory(volume.path, vault, keyFile);
  const source = temporaryPath();
  const sh = (script: string): string => mustRun('sh', '-ec', script);
  sh(`mkdir ${source} && cp -r src tests/support ${source}/ && cd ${source} && ln src/bytes/index.ts hard &&
    ln -s src soft && git init -q && git add . && git -c user.name=a -c user.email=a@b commit -q -m all &&
    setfacl -m u:1:r src/bytes/index.ts && setfacl -d -m g:2:rwx src && setfattr -n user.note -v text soft/bytes`);
  sh(`cd ${vault} && git clone -q --no-hardlinks ${source} clone && git -C clone fsck --full`);
  sh(`tar -C ${source} --xattrs --acls -cf - . | (mkdir ${vault}/tar && tar -C ${vault}/tar --xattrs --acls -xpf -)`);
  sh(`rsync -aHAX ${source}/ ${vault}/rsync/`);
  sh(`sqlite3 ${vault}/base "create table t (n integer primary key, x blob);
    with recursive c (n) as (select 1 union all select n + 1 from c where n < 20000)
    insert into t select n, randomblob(200) from c; delete from t where n % 3 = 0; vacuum"`);
  const check = (): void => {
    assert.equal(sh(`rsync -aHAXcni --delete ${source}/ ${vault}/rsync/`), '');
    assert.equal(sh(`rsync -aHAXcni --delete ${source}/ ${vault}/tar/`), '');
    sh(`git -C ${vault}/clone fsck --full && test -z "$(git -C ${vault}/clone status --porcelain)"`);
    assert.equal(sh(`sqlite3 ${vault}/base 'pragma integrity_check; select count(*) from t'`), 'ok\n13334\n');
  };
  check();
  xfsIo(volume.path, [`rm_enckey ${identifier}`]);
  assert.equal(fs.readdirSync(vault).includes('clone'), false);
  addKey(volume.path, keyFile);
  check();
  volume.remount();
  addKey(volume.path, keyFile);
  check();
  sh(`rm -r ${vault}/tar`);
  volume.finish();
});
