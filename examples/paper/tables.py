"""Markdown tables and SVG charts from the results, put between the markers of docs/experiments.md."""
import copy
import math
import re
import sys

import alike
import charts
import plan
import starts

NOT_RUN = "not run yet"


class Results:
    """The results that are there, found by what their runs are; of the seeds of settings.json's `seeds`, if not `among` others."""

    def __init__(self, settings, runs, folder):
        self.settings, self.runs, self.made, self.used = settings, runs, {}, set()
        self.seeds = settings["seeds"]
        for name in self.runs:
            path = folder / f"{name}.json"
            if path.exists():
                self.made[name] = alike.read(path)
        self.check(folder)

    def check(self, folder):
        """A file of other settings is an error. Whether a teacher taught, and what --extra said, is for all files as one has it."""
        said = [result["settings"] for result in self.made.values()]
        taught, extra = any(one.get("taught") for one in said), said[0].get("extra") if said else ""
        for name, result in self.made.items():
            now = alike.settings_of(self.runs[name], self.settings, taught, extra)
            alike.check(folder / f"{name}.json", result, now)

    def among(self, seeds):
        """The same results, of these seeds alone."""
        others = copy.copy(self)
        others.seeds = seeds
        return others

    def find(self, **wanted):
        """The results, one a seed, of the runs that are so; without a word, by the usual recipe, from genes of that."""
        wanted = {"recipe": "", "gene": "", **wanted}
        found = [run for run in self.runs.values()
                 if run.seed in self.seeds and all(getattr(run, key) == value for key, value in wanted.items())]
        names = [run.name for run in found if run.name in self.made]
        self.used.update(names)
        return [self.made[name] for name in names]

    def tuned(self, start, depth, epochs, data="cifar10", kind="tune", **more):
        return [result["top1"] for result in self.find(kind=kind, data=data, start=start, depth=depth, epochs=epochs, **more)]

    def untuned(self, start, depth, recipe=""):
        which = {"data": "cifar10", "start": start, "recipe": recipe}
        if start in starts.GENES:
            found = {result["seed"]: result for result in self.find(kind="learn", **which)}
            found |= {result["seed"]: result for result in self.find(kind="score", **which)}  # the same scores, at more depths
            found = [found[seed] for seed in sorted(found)]
            return [result["top1_by_depth"][str(depth)] for result in found if str(depth) in result["top1_by_depth"]]
        epochs = self.settings["compare_epochs"]
        found = self.find(kind="tune", depth=depth, epochs=epochs, **which)
        return [result["top1_before"] for result in found if result["top1_before"] is not None]

    def one(self, key, **wanted):
        """What is the same for every seed; None where nothing is there."""
        found = self.find(**wanted)
        return found[0][key] if found else None

    def stored(self, data, start, source):
        """The numbers that a start is made of; one for each depth where they differ."""
        which = {"kind": "tune", "data": data, "epochs": self.settings["compare_epochs"], "source": source}
        found = [self.one("numbers_stored", start=plan.same_start(start, depth, self.settings), depth=depth, **which)
                 for depth in self.settings["depths"]]
        known = {stored for stored in found if stored is not None}
        return " / ".join(number(stored) or "?" for stored in found) if len(known) > 1 else number(*known or [None])


def cell(values, seeds):
    """The mean in percent and half the range of the seeds; a star where some are missing."""
    if not values:
        return ""
    mean = 100 * sum(values) / len(values)
    if seeds == 1:
        return f"{mean:.1f}"
    if len(values) < seeds:
        return f"{mean:.1f} \\*"
    return f"{mean:.1f} ± {50 * (max(values) - min(values)):.1f}"


def number(value):
    return "" if value is None else f"{value:,.0f}".replace(",", " ")


def markdown(head, rows):
    if not any(any(cells[1:]) for cells in rows):
        return NOT_RUN
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(text) for text in line) + " |" for line in lines)


def depths_head(settings, text="depth {}"):
    return [text.format(depth) for depth in settings["depths"]]


def half(results):
    """a"""
    s = results.settings
    depths, seeds, end = s["depths"], len(s["seeds"]), s["epochs"]
    rows = [["gene, 0 epochs", *(cell(results.untuned("gene2", depth), seeds) for depth in depths)]]
    for start, epochs in [("gene2", e) for e in [*s["few_epochs"], end]] + [("random", e) for e in (end, 2 * end)]:
        title = "gene" if start == "gene2" else "scratch"
        words = f"{title}, {epochs} epoch{'s' if epochs > 1 else ''}"
        rows.append([words, *(cell(results.tuned(start, depth, epochs), seeds) for depth in depths)])
    return markdown(["", *depths_head(s)], rows)


def others(results):
    """b"""
    s = results.settings
    results = results.among(s["compared_seeds"])
    depths, epochs, seeds, rows = s["depths"], s["compare_epochs"], len(results.seeds), []
    for start in s["compared"]:
        rows.append([starts.TITLES[start], results.stored("cifar10", start, "cifar10"),
                     *(cell(results.untuned(start, depth), seeds) for depth in depths),
                     *(cell(results.tuned(start, depth, epochs), seeds) for depth in depths)])
    return markdown(["", "numbers stored", *depths_head(s, "{} untuned"), *depths_head(s, "{} tuned")], rows)


def rates(results):
    """The learning rate"""
    s = results.settings
    results = results.among(s["seeds"][:1])
    depth, end, rows = plan.middle_depth(s), s["epochs"], []
    rate_of = {recipe: plan.by_recipe(s, recipe)["train"] for recipe in ["", *s["rates"]]}
    rate_of = {recipe: words[words.index("--lr") + 1] for recipe, words in rate_of.items()}
    for recipe in sorted(rate_of, key=lambda recipe: float(rate_of[recipe])):
        rows.append([rate_of[recipe], *(cell(results.tuned(start, depth, end, recipe=recipe), 1) for start in ("gene2", "random"))])
    return markdown(["learning rate", f"gene, depth {depth}", f"scratch, depth {depth}"], rows)


def other_genes(results):
    """The gene's own length, and its tensors"""
    s, rows = results.settings, []
    results = results.among(s["seeds"][:1])
    for start, count, gene in (("gene2", 2, ""), ("gene2", 2, "long"), ("gene4", 4, "")):
        epochs = plan.by_recipe(s, gene)["gene_epochs"]
        rows.append([f"K = {count}, {epochs} epochs", *(cell(results.untuned(start, depth, gene), 1) for depth in s["depths"]),
                     *(cell(results.tuned(start, depth, s["epochs"], gene=gene), 1) for depth in s["depths"])])
    return markdown(["gene", *depths_head(s, "{} untuned"), *depths_head(s, f"{{}} tuned for {s['epochs']}")], rows)


def reasons(results):
    """a, by other recipes"""
    s, rows = results.settings, []
    results = results.among(s["compared_seeds"][:1])
    depth, end = max(s["depths"]), s["epochs"]
    for gene, recipe in s["reasons"]:
        values = results.untuned("gene2", depth, gene), results.tuned("gene2", depth, end, recipe=recipe, gene=gene)
        if any(values):
            rows.append([s["recipe_titles"][gene], s["recipe_titles"][recipe], *(cell(value, 1) for value in values),
                         cell(results.tuned("random", depth, 2 * end, recipe=recipe), 1)])
    return markdown(["the gene learns", "models learn", "gene, untuned", f"gene, tuned for {end}", f"scratch, {2 * end}"], rows)


def paper_protocol(results):
    """a, learned as in the paper"""
    s = results.settings
    results = results.among(s["compared_seeds"])
    depths, seeds, end = s["depths"], len(results.seeds), s["epochs"]
    values = {"gene, 0 epochs": lambda depth: results.untuned("gene2", depth, "teacher"),
              f"gene, {end} epochs": lambda depth: results.tuned("gene2", depth, end, recipe="labels", gene="teacher"),
              f"scratch, {2 * end} epochs": lambda depth: results.tuned("random", depth, 2 * end, recipe="labels")}
    return markdown(["", *depths_head(s)], [[title, *(cell(of(depth), seeds) for depth in depths)] for title, of in values.items()])


class Costs:
    """What it takes to equip depths 3 to 12, in layer passes and numbers."""

    DEPTHS = range(3, 13)

    def __init__(self, results):
        self.results, s = results, results.settings
        self.images = s["datasets"]["cifar10"]["images"]
        self.gene_numbers = self.of_gene("numbers")
        scratch = {"kind": "tune", "data": "cifar10", "start": "random"}
        sizes = [(depth, results.one("numbers", depth=depth, **scratch)) for depth in s["depths"]]
        known = {depth: size for depth, size in sizes if size}
        self.whole = bool(self.gene_numbers) and len(known) >= 2
        if self.whole:
            (low, small), *_, (high, large) = sorted(known.items())
            self.layer = (large - small) / (high - low)
            self.outside = small - low * self.layer
        rates = [made["layer_passes"] / made["seconds"] / made["threads"] for made in results.made.values() if made.get("seconds")]
        self.rate = max(rates, default=None)  # of one core; other work slowed the others down
        self.whole = self.whole and bool(self.rate)

    def of_gene(self, key, recipe=""):
        return self.results.one(key, kind="learn", data="cifar10", start="gene2", recipe=recipe)

    def numbers(self):
        """Of a model for each depth."""
        return sum(self.outside + depth * self.layer for depth in self.DEPTHS)

    def passes(self, epochs):
        """Of trainings at each depth."""
        return self.images * epochs * sum(self.DEPTHS)

    def cheaper_from(self, gene, tuning, separate):
        """So many models of a mean depth cost more, trained apart, than a gene of so many passes and their tuning; None where they never do."""
        saved = (self.passes(separate) - self.passes(tuning)) / len(self.DEPTHS)
        return math.ceil(gene / saved) if saved > 0 else None


def costs(results):
    """c"""
    c, s = Costs(results), results.settings
    if not c.whole:
        return NOT_RUN
    depths, end = s["depths"], s["epochs"]

    def row(title, stored, passes, of, fewest):
        by_seed = [[value for depth in depths for value in of(results.among([seed]), depth)] for seed in s["seeds"]]
        means = [sum(values) / len(values) for values in by_seed if len(values) == len(depths)]
        return [title, number(stored), f"{passes / 1e6:.0f}", f"{passes / c.rate / 3600:.2f}", cell(means, len(s["seeds"])), fewest]

    def gene_row(title, epochs, recipe=""):
        def of(some, depth):
            return some.tuned("gene2", depth, epochs) if epochs else some.untuned("gene2", depth, recipe)

        gene = c.of_gene("layer_passes", recipe)
        fewest = [c.cheaper_from(gene, epochs, separate) for separate in (end, 2 * end)]
        words = " / ".join("never" if n is None else str(n) for n in fewest)
        return row(title, c.of_gene("numbers", recipe), gene + c.passes(epochs), of, words)

    rows = [gene_row("gene, untuned", 0)]
    rows += [gene_row(f"gene, each depth tuned for {epochs}", epochs) for epochs in (*s["few_epochs"], end)]
    if c.of_gene("numbers", "long"):
        rows.append(gene_row(f"gene of {plan.by_recipe(s, 'long')['gene_epochs']} epochs, untuned", 0, "long"))
    for epochs in (end, 2 * end):
        rows.append(row(f"separate models, {epochs} epochs", c.numbers(), c.passes(epochs),
                        lambda some, depth, epochs=epochs: some.tuned("random", depth, epochs), ""))
    return markdown(["for depths 3 to 12", "numbers stored", "million layer passes", "hours",
                     "mean top-1 at " + ", ".join(map(str, depths)),
                     f"cheaper from so many models on (than {end} / {2 * end} epochs each)"], rows)


def instead(results):
    """f"""
    c, s = Costs(results), results.settings
    if not c.whole:
        return NOT_RUN
    seeds, end, rows = len(s["seeds"]), s["epochs"], []
    for depth in s["depths"]:
        rows.append([depth, number(c.outside + depth * c.layer), cell(results.tuned("random", depth, end), seeds),
                     cell(results.tuned("random", depth, 2 * end), seeds), cell(results.untuned("gene2", depth), seeds),
                     cell(results.tuned("gene2", depth, end), seeds)])
    return markdown(["depth", "numbers of its model", f"model of its own, {end} epochs", f"{2 * end} epochs",
                     f"the gene ({number(c.gene_numbers)} numbers), untuned", f"tuned for {end}"], rows)


def carried(results, start, depth, epochs, target):
    """What was tuned on the target from what the source of d gave."""
    s = results.settings
    return results.tuned(plan.same_start(start, depth, s), depth, epochs, target, source=plan.source_of(start, target, s))


def transfer(results):
    """d"""
    s, parts = results.settings, []
    for target in s["targets"]:
        rows = []
        for start in s["transferred"]:
            stored = results.stored(target, start, plan.source_of(start, target, s))
            values = [carried(results, start, depth, s["compare_epochs"], target) for depth in s["depths"]]
            rows.append([starts.TITLES[start], stored, *(cell(value, len(s["seeds"])) for value in values)])
        parts.append(f"**{target}**\n\n" + markdown(["", "numbers stored", *depths_head(s)], rows))
    return "\n\n".join(parts)


def longer_transfer(results):
    """d, tuned for longer"""
    s = results.settings
    target, depth = s["targets"][0], plan.middle_depth(s)
    lengths = s["compare_epochs"], 2 * s["epochs"]
    rows = [[starts.TITLES[start], *(cell(carried(results, start, depth, epochs, target), len(s["seeds"])) for epochs in lengths)]
            for start in s["transferred_longer"]]
    return markdown([f"{target}, depth {depth}", *(f"{epochs} epochs" for epochs in lengths)], rows)


def other_source(results):
    """d, by what the gene was learned from"""
    s, rows = results.settings, []
    for source, seeds in ((s["source"], s["seeds"]), ("cifar10", s["compared_seeds"])):
        among = results.among(seeds)
        for target in s["targets"][:2]:
            values = [among.tuned("gene2", depth, s["compare_epochs"], target, source=source) for depth in s["depths"]]
            rows.append([f"{source}, tuned on {target}", *(cell(value, len(seeds)) for value in values)])
    return markdown(["gene learned on", *depths_head(s)], rows)


def by_byte(results):
    """e"""
    s = results.settings
    results = results.among(s["compared_seeds"])
    depths, epochs, seeds, rows = s["depths"], s["compare_epochs"], len(results.seeds), []
    for start, recipe in (("gene1", ""), ("gene2", ""), ("gene3", ""), ("gene4", ""), ("gene2", "wide")):
        stored = results.one("numbers", kind="learn", data="cifar10", start=start, recipe=recipe)
        if recipe and not stored:
            continue
        rows.append([starts.TITLES[start] + (", wider" if recipe else ""), number(stored and 2 * stored),
                     *(cell(results.untuned(start, depth, recipe), seeds) for depth in depths),
                     *(cell(results.tuned(start, depth, epochs, kind="grow", recipe=recipe), seeds) for depth in depths),
                     *(cell(results.tuned(start, depth, epochs, recipe=recipe, gene=recipe), seeds) for depth in depths)])
    return markdown(["", "bytes in bf16", *depths_head(s, "{} untuned"), *depths_head(s, "{} constrained"),
                     *depths_head(s, "{} free")], rows)


TABLES = {"half": half, "rates": rates, "other-genes": other_genes, "reasons": reasons, "paper-protocol": paper_protocol, "others": others,
          "costs": costs, "transfer": transfer, "longer-transfer": longer_transfer, "other-source": other_source, "by-byte": by_byte,
          "instead": instead}


def mean(values):
    return 100 * sum(values) / len(values) if values else None


def half_chart(results):
    s = results.settings
    panels = {}
    for depth in s["depths"]:
        gene = [(0, mean(results.untuned("gene2", depth)))]
        gene += [(e, mean(results.tuned("gene2", depth, e))) for e in sorted({*s["few_epochs"], s["epochs"]})]
        scratch = [(e, mean(results.tuned("random", depth, e))) for e in (s["epochs"], 2 * s["epochs"])]
        panels[f"depth {depth}"] = {"gene": gene, "scratch": scratch}
    return charts.draw(panels, "epochs at this depth", "top-1, each point a training of so many epochs")


def byte_chart(results):
    s, panels = results.settings, {}
    results = results.among(s["compared_seeds"])
    for depth in s["depths"]:
        lines = {"untuned": [], "constrained": [], "free": []}
        for start in ("gene1", "gene2", "gene3", "gene4"):
            stored = results.one("numbers", kind="learn", data="cifar10", start=start)
            for title, values in (("untuned", results.untuned(start, depth)),
                                  ("constrained", results.tuned(start, depth, s["compare_epochs"], kind="grow")),
                                  ("free", results.tuned(start, depth, s["compare_epochs"]))):
                lines[title].append(((stored or 0) / 500, mean(values)))
        panels[f"depth {depth}"] = lines
    return charts.draw(panels, "kilobytes of the gene in bf16", "top-1, K = 1 to 4 from left to right")


CHARTS = {"half": half_chart, "by-byte": byte_chart}


def with_chart(name, body, results, docs):
    """The table, and its chart where there is something to draw."""
    drawn = CHARTS[name](results) if name in CHARTS else ""
    if not drawn:
        return body
    (docs / "experiments").mkdir(exist_ok=True)
    (docs / "experiments" / f"paper-{name}.svg").write_text(drawn, encoding="utf-8")
    return f"{body}\n\n![the table as a chart](experiments/paper-{name}.svg)"


def put(path, bodies):
    """Renews what stands between `<!-- table: NAME -->` and `<!-- end -->` of a page."""
    text = path.read_text(encoding="utf-8")
    for name, body in bodies.items():
        text, found = re.subn(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)",
                              lambda match, body=body: f"{match[1]}\n{body}\n\n{match[2]}", text, flags=re.S)
        if not found:
            print(f"{path}: expected the marker <!-- table: {name} -->, found none; the table is left out")
    path.write_text(text, encoding="utf-8")


def say_if_several(table, what, made):
    """made: (digest, name) of what results of a table were made from, and which."""
    names = {}
    for digest, name in made:
        names.setdefault(digest, name)
    names.pop(None, None)  # older results do not say it
    if len(names) > 1:
        told = ", ".join(f"{digest[:12]} ({name})" for digest, name in names.items())
        print(f"table {table}: its results {what.format(len(names))}: {told}", file=sys.stderr)


def say_what_differs(table, results):
    """Where results that stand under a table were not made from the same: by the digests that they keep."""
    used = [(name, results.made[name]) for name in sorted(results.used)]
    say_if_several(table, "were taught by {} recordings that differ", [(made["settings"].get("recording"), name) for name, made in used])
    begun = {}
    for name, made in used:
        begun.setdefault(results.runs[name].needs, []).append((made.get("source_model"), name))
    for needs, made in begun.items():
        say_if_several(table, f"began with {{}} files of {' '.join(needs)} that differ", made)


def write(settings, folder, docs):
    """Renews the tables of experiments.md, and the charts."""
    results, bodies = Results(settings, plan.make(settings), folder), {}
    path = docs / "experiments.md"
    for name, table in TABLES.items():
        results.used.clear()
        bodies[name] = with_chart(name, table(results), results, docs)
        say_what_differs(name, results)
    put(path, bodies)
    print(f"{path}: {len(results.made)} of {len(results.runs)} runs are in the tables")
