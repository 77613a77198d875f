# small-files.pl TASK DIRECTORY COUNT: does one thing to COUNT files of 4 KiB in 100 directories below DIRECTORY and
# prints the seconds it took. TASK is create, stat, read, compare or delete.
#
# In Perl, and by the bare system calls of POSIX.pm, because that costs one or two microseconds a file: Perl's own files
# make further calls, and Node takes five more, which shows beside a fast filesystem.
use strict;
use warnings;
use POSIX ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $DIRECTORIES = 100;
my $SIZE = 4096;
my $NEW = POSIX::O_CREAT | POSIX::O_EXCL | POSIX::O_WRONLY;
my $READ = POSIX::O_RDONLY;

my ($task, $top, $count) = @ARGV;
my @directories = map { "$top/directory $_" } 0 .. $DIRECTORIES - 1;
my $contents = 'contents' x ($SIZE / 8);
my $bytes;

# Gives $contents the number of a file to begin with: no two files hold the same.
sub fill { substr $contents, 0, 12, sprintf '%012d', $_[0] }

sub readable {
    my $fd = POSIX::open($_[0], $READ) // die "open $_[0]: $!";
    (POSIX::read($fd, $bytes, $SIZE) // 0) == $SIZE or die "read $_[0]: $!";
    POSIX::close($fd);
}

my %tasks = (
    create => sub {
        fill($_[1]);
        my $fd = POSIX::open($_[0], $NEW, 0644) // die "create $_[0]: $!";
        (POSIX::write($fd, $contents, $SIZE) // 0) == $SIZE or die "write $_[0]: $!";
        POSIX::close($fd) or die "close $_[0]: $!";
    },
    stat => sub { ((stat $_[0])[7] // 0) == $SIZE or die "stat $_[0]: $!" },
    read => \&readable,
    compare => sub {
        fill($_[1]);
        readable($_[0]);
        $bytes eq $contents or die "$_[0] does not hold what was written";
    },
    delete => sub { unlink $_[0] or die "delete $_[0]: $!" },
);

my $do = $tasks{$task} or die "no task $task";
my @paths = map { "$directories[$_ % $DIRECTORIES]/file $_" } 0 .. $count - 1;
my $start = clock_gettime(CLOCK_MONOTONIC);
if ($task eq 'create') { mkdir $_ or die "mkdir $_: $!" for @directories }
$do->($paths[$_], $_) for 0 .. $count - 1;
if ($task eq 'delete') { rmdir $_ or die "rmdir $_: $!" for @directories }
print clock_gettime(CLOCK_MONOTONIC) - $start, "\n";
