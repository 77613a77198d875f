/** xattr: extended attributes. */
import type { Command } from 'commander';
import { UsageError } from '../failure.js';
import { imagePath } from '../image-path.js';
import { output, shown } from '../output.js';
import { type ImageOptions, reading, withImageOptions, writing } from '../session.js';

interface XattrOptions extends ImageOptions {
  readonly dereference: boolean;
  readonly hex?: boolean;
  readonly json?: boolean;
}

export function addXattrCommands(program: Command): void {
  const xattr = program.command('xattr').description('read and change extended attributes');

  attributeCommand(xattr, 'get <image> <path> <name>')
    .description('print the value of an attribute as it is')
    .option('--hex', 'print it in hexadecimal')
    .option('--json', 'print it as JSON, in hexadecimal')
    .action((image: string, path: string, name: string, options: XattrOptions) => {
      reading(image, options, ({ fs }) => {
        const value = fs.getxattrSync(imagePath(path), name, { follow: options.dereference });
        if (options.json === true) output.json(value);
        else if (options.hex === true) output.line(value.toString('hex'));
        else output.bytes(Buffer.concat([value, Buffer.from('\n')]));
      });
    });

  attributeCommand(xattr, 'set <image> <path> <name> <value>')
    .description('set an attribute, such as user.comment')
    .option('--hex', 'the value is given in hexadecimal')
    .action((image: string, path: string, name: string, value: string, options: XattrOptions) => {
      const bytes = options.hex === true ? parseHex(value) : Buffer.from(value);
      writing(image, options, ({ fs }) =>
        fs.setxattrSync(imagePath(path), name, bytes, { follow: options.dereference }),
      );
    });

  attributeCommand(xattr, 'list <image> <path>')
    .description('print the names of all attributes')
    .option('--json', 'print names and values as JSON, values in hexadecimal')
    .action((image: string, path: string, options: XattrOptions) => {
      reading(image, options, ({ fs }) => {
        const follow = options.dereference;
        const names = fs.listxattrSync(imagePath(path), { follow }).sort(Buffer.compare);
        if (options.json !== true) for (const name of names) output.line(shown(name));
        else
          output.json(
            Object.fromEntries(
              names.map((name) => [name.toString(), fs.getxattrSync(imagePath(path), name, { follow })]),
            ),
          );
      });
    });

  attributeCommand(xattr, 'remove <image> <path> <name>')
    .description('remove an attribute')
    .action((image: string, path: string, name: string, options: XattrOptions) => {
      writing(image, options, ({ fs }) => fs.removexattrSync(imagePath(path), name, { follow: options.dereference }));
    });
}

function attributeCommand(group: Command, usage: string): Command {
  return withImageOptions(group.command(usage)).option('-h, --no-dereference', 'of a symlink itself');
}

function parseHex(text: string): Buffer {
  const digits = text.replace(/^0x/i, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new UsageError(`'${text}' is no hexadecimal value`);
  return Buffer.from(digits, 'hex');
}
