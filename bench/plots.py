# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG and PNG, drawn by gnuplot. A point is (median, min, max)."""
import subprocess

TERMINALS = {"svg": "svg size 760,420 enhanced font 'sans,13' background '#ffffff'",
             "png": "pngcairo size 1140,630 enhanced font 'sans,14'"}
STYLE = """
set encoding utf8
set title "{title}"
set ylabel "{ylabel}"
set grid ytics lc rgb "#dddddd"
set key outside right top
set border 3
set tics nomirror
"""
COLOURS = ["#1f6f8b", "#e07a3f", "#6a994e", "#8d5a97", "#bc4749", "#555555"]


def _draw(path, script):
    for suffix, terminal in TERMINALS.items():
        commands = f"set terminal {terminal}\nset output '{path}.{suffix}'\n{script}"
        done = subprocess.run(["gnuplot"], input=commands, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0 or done.stderr.strip():
            raise RuntimeError(f"gnuplot, {path}.{suffix}: {done.stderr}")


def _quoted(text):
    """For gnuplot's double quotes, where the enhanced mode reads _ as an index."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("_", "\\\\_")


def bars(path, title, ylabel, series):
    """series: {name: {category: point}}; beside each other by category, with min and max."""
    categories = list(dict.fromkeys(c for points in series.values() for c in points))
    data, plots = [], []
    for number, (name, points) in enumerate(series.items()):
        lines = [f'"{_quoted(c)}" {" ".join(map(str, points[c]))}' if c in points
                 else f'"{_quoted(c)}" NaN NaN NaN' for c in categories]
        data.append(f"$s{number} << E\n" + "\n".join(lines) + "\nE")
        plots.append(f'$s{number} using 2:3:4:xtic(1) title "{_quoted(name)}" '
                     f'lc rgb "{COLOURS[number % len(COLOURS)]}"')
    script = STYLE.format(title=_quoted(title), ylabel=_quoted(ylabel)) + "\n".join(data) + """
set style data histograms
set style histogram errorbars gap 2 lw 1
set style fill solid 0.9 noborder
set yrange [0:*]
plot """ + ", ".join(plots) + "\n"
    _draw(path, script)


def lines(path, title, xlabel, ylabel, series, log=""):
    """series: {name: {x: point}}; log: the axes that are logarithmic, as "x" or "xy"."""
    data, plots = [], []
    for number, (name, points) in enumerate(series.items()):
        rows = [f"{x} {' '.join(map(str, points[x]))}" for x in sorted(points)]
        data.append(f"$s{number} << E\n" + "\n".join(rows) + "\nE")
        colour = COLOURS[number % len(COLOURS)]
        plots.append(f'$s{number} using 1:2 with linespoints pt 7 lw 2 lc rgb "{colour}" '
                     f'title "{_quoted(name)}"')
        plots.append(f'$s{number} using 1:2:3:4 with yerrorbars pt 7 lc rgb "{colour}" notitle')
    script = STYLE.format(title=_quoted(title), ylabel=_quoted(ylabel)) + "\n".join(data)
    script += f'\nset xlabel "{_quoted(xlabel)}"\n'
    script += f"set logscale {log}\n" if log else ""
    script += "" if "y" in log else "set yrange [0:*]\n"
    _draw(path, script + "plot " + ", ".join(plots) + "\n")
