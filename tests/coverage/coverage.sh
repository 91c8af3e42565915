#!/bin/sh
# coverage.sh TEST...: run these tests with a build that counts, and print
# how many lines of the files below were executed, those that were not, and
# why: tests/coverage/uncovered.txt has the reasons.  Fails when a file has less than 95
# per cent.
#
# A test that fails is named, but it is for make check to mind.
B=${B:-obj/coverage}
FILES='aoe ata buf freeze crc'
[ ! -e tags.c ] || FILES="$FILES tags"
TAB=$(printf '\t')

tests/needpackages gcov:gcc prove:perl || exit 1
find "$B" -name '*.gcda' -delete
AOEDE=$B/aoede RUNS=${RUNS:-3} STRIDE=${STRIDE:-50}
export B AOEDE RUNS STRIDE
prove -j3 --timer "$@"

# A file's counts are those of all the objects that were made of it.
for f in $FILES
do
	for o in "$B/$f" "$B/tests/$f-nomain"
	do
		[ -e "$o.gcda" ] || continue
		gcov -t "$o.gcda" 2>/dev/null
	done | awk -v file="$f.c" '
		/^ *-: *0:Source:/ { mine = $0 ~ ":" file "$" }
		!mine { next }
		{
			split($0, a, ":")
			line = a[2] + 0
			text[line] = substr($0, index($0, a[2] ":") + length(a[2]) + 1)
			gsub(/[ \t]+/, " ", text[line])
			last = line > last ? line : last
			if(a[1] ~ /-/)
				next
			code[line] = 1
			if(a[1] !~ /[#=]/)
				hit[line] = 1
		}
		END {
			for(i = 1; i <= last; i++)
				if(i in code){
					n++
					if(i in hit)
						h++
					else
						printf "L\t%s\t%d\t%s\t%s\n", file, i, text[i], text[i-1] text[i]
				}
			printf "T\t%s\t%d\t%d\n", file, n, h
		}'
done >"$B/lines"

echo
echo "not executed, and why:"
awk -F "$TAB" '
	FNR == NR {
		if($0 !~ /^#/ && NF == 3){
			n++
			name[n] = $1
			part[n] = $2
			why[n] = $3
		}
		next
	}
	$1 == "L" {
		for(i = 1; i <= n; i++)
			if(name[i] == $2 && index($5, part[i]) > 0)
				break
		printf "  %s:%d:%s  -- %s\n", $2, $3, $4, i <= n ? why[i] : "?"
	}' tests/coverage/uncovered.txt "$B/lines"
echo
echo "file       lines  executed"
awk -F "$TAB" '
	$1 == "T" {
		printf "%-9s %6d  %5.1f %%\n", $2, $3, 100 * $4 / $3
		bad += 100 * $4 < 95 * $3
	}
	END { exit bad > 0 }' "$B/lines"
