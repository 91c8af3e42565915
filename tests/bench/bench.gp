# The chart of bench.sh: requests per second relative to vblade, as horizontal
# bars in two panels with scales of their own, memory above and disk below.
#
#	gnuplot -e "data='FILE'; machine='WORDS'" tests/bench/bench.gp >bench.svg
#
# A line of the data, separated by tabs, is a bar: who it is of ("top" is
# the ceiling), panel (0 or 1), length, and its two edges in rows from the top;
# or "title", panel, 0, row, and the row's name.  "label" is a number to write
# behind a bar, at its length and between the edges.

set encoding utf8
set datafile separator "\t"
mine = "#0072b2"		# colours that those who see fewer can tell apart
theirs = "#9a9a9a"
other = "#e69f00"
room = "#d6e0e8"
ink = "#222222"

# The rows and the longest bar of each panel.
array first[2] = [1e9, 1e9]
array last[2] = [-1, -1]
array longest[2] = [1, 1]
note(p, x, row) = (first[p + 1] = row < first[p + 1] ? row : first[p + 1], \
	last[p + 1] = row > last[p + 1] ? row : last[p + 1], \
	longest[p + 1] = x > longest[p + 1] ? x : longest[p + 1], 0)
set xrange [0:1]
set yrange [0:1]
set table $nothing
plot data using (strcol(1) eq "title" ? note($2, 0, $4) : strcol(3) eq "-" ? 0 : note($2, $3, floor(($4 + $5) / 2 + 0.5))):(0)
unset table
rows(p) = last[p + 1] < 0 ? 0 : last[p + 1] - first[p + 1] + 1

rowheight = 40
above = 68			# title and key
between = 64			# below a panel: its scale and label
height = above
do for [p = 0:1] { if (rows(p) > 0) { height = height + rows(p) * rowheight + between } }
width = 820
set terminal svg size width, height font "Helvetica,Arial,sans-serif,13" background "#ffffff" noenhanced
y(px) = 1 - px / real(height)

set multiplot
set style fill solid 1 noborder
set lmargin at screen 0.36
set rmargin at screen 0.97
set border 0
set tics scale 0 textcolor rgb ink
unset ytics
set grid xtics back lt 1 lw 0.5 lc rgb "#c8c8c8"
set label 1 "Requests per second, relative to vblade" at screen 0.02, screen y(20) font ",16" tc rgb ink
set key off
array names[4] = ["aoede", "vblade", "nbdkit, over TCP", "ceiling"]
array colours[4] = [mine, theirs, other, room]
array places[4] = [20, 100, 184, 326]
do for [i = 1:4] {
	x = places[i] / real(width)
	set object i rectangle from screen x, screen y(54) to screen x + 16 / real(width), screen y(42) fc rgb colours[i] fs solid 1 noborder
	set label i + 2 names[i] at screen x + 24 / real(width), screen y(48) tc rgb ink
}
set label 2 machine at screen 0.98, screen y(20) right font ",11" tc rgb "#555555"

of(who, p) = (strcol(1) eq who && $2 == p && strcol(3) ne "-")
is(who, p) = of(who, p) ? 0 : NaN
top = above
do for [p = 0:1] {
	if (rows(p) > 0) {
		set tmargin at screen y(top)
		set bmargin at screen y(top + rows(p) * rowheight)
		set yrange [last[p + 1] + 0.5:first[p + 1] - 0.5]
		set xrange [0:longest[p + 1] * 1.09]
		step = longest[p + 1] > 12 ? 5 : longest[p + 1] > 5 ? 2 : longest[p + 1] > 2 ? 0.5 : 0.25
		set xtics step format "%g"
		set xlabel (p == 0 ? "in memory; the ceiling is a responder that has no disk" : "on a disk; the ceiling is fio, with io_uring, on the file itself") offset 0, 0.4 tc rgb ink
		plot data using (is("top", p)):(($4 + $5) / 2):(0):3:4:5 with boxxyerror lc rgb room notitle, \
			data using (is("aoede", p)):(($4 + $5) / 2):(0):3:4:5 with boxxyerror lc rgb mine notitle, \
			data using (is("vblade", p)):(($4 + $5) / 2):(0):3:4:5 with boxxyerror lc rgb theirs notitle, \
			data using (is("nbdkit", p)):(($4 + $5) / 2):(0):3:4:5 with boxxyerror lc rgb other notitle, \
			data using (of("aoede", p) ? $3 : NaN):(($4 + $5) / 2):(sprintf("%.1f", $3)) with labels right offset -0.4, -0.05 font ",11" tc rgb "#ffffff" notitle, \
			data using (of("label", p) ? $3 : NaN):(($4 + $5) / 2):(sprintf("%.1f", $3)) with labels left offset 0.4, 0 font ",11" tc rgb "#555555" notitle, \
			data using (is("title", p)):4:5 with labels right offset -0.8, 0 tc rgb ink notitle
		unset label
		unset object
		top = top + rows(p) * rowheight + between
	}
}
unset multiplot
