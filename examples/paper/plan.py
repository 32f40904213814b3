"""The plan: every run of the experiment as data, in the order of what answers most."""
import dataclasses

import starts


@dataclasses.dataclass(frozen=True)
class Run:
    """One training, or one scoring.

    kind:   learn  a gene, each step at a random depth;        tune   a model of a depth, all its weights
            grow   a gene goes on learning, at one depth;      score  a gene, untuned, at every depth
    data:   the data set that it learns from, or is scored on
    start:  how it is initialised (starts.py)
    source: where what it starts from was learned
    needs:  names of the runs that come before
    recipe: which of settings.json's `recipes` it learns by; gene: by which the gene that it starts from was learned"""

    kind: str
    data: str
    start: str
    source: str
    depth: int
    epochs: int
    seed: int
    needs: tuple = ()
    recipe: str = ""
    gene: str = ""

    @property
    def name(self):
        parts = [self.data, self.kind, self.start]
        parts += [f"by-{self.gene}"] if self.gene else []
        parts += [f"of-{self.source}"] if self.source != self.data else []
        parts += [f"d{self.depth}"] if self.depth else []
        parts += [f"e{self.epochs}"] if self.epochs else []
        parts += [self.recipe] if self.recipe else []
        return "-".join(parts + [f"s{self.seed}"])


def by_recipe(settings, name):
    """The settings, with what a recipe says otherwise: options in place of those of the same name, or behind the others; so entries."""
    changed = dict(settings)
    for key, said in settings["recipes"][name].items() if name else ():
        if isinstance(said, list):
            said = with_options(settings[key], said)
        elif isinstance(said, dict):
            said = {**settings[key], **said}
        changed[key] = said
    return changed


def with_options(words, others):
    """others: a list of --NAME VALUE."""
    words = list(words)
    for name, value in zip(others[::2], others[1::2]):
        if name in words:
            words[words.index(name) + 1] = value
        else:
            words += [name, value]
    return words


class Planner:
    def __init__(self, settings):
        self.settings = settings
        self.runs = {}

    def add(self, run):
        self.runs.setdefault(run.name, run)
        return run.name

    def learn(self, data, start, seed, recipe=""):
        length = "source_epochs" if data == self.settings["source"] else "gene_epochs"
        epochs = by_recipe(self.settings, recipe)[length]
        return self.add(Run("learn", data, start, data, 0, epochs, seed, recipe=recipe))

    def trained(self, data, seed):
        """The deepest model, from scratch: what rivals take layers from."""
        same = data == self.settings["source"]
        epochs = self.settings["source_epochs"] if same else 2 * self.settings["epochs"]
        return self.tune(data, "random", max(self.settings["depths"]), epochs, seed)

    def before(self, start, source, seed, gene=""):
        if start in starts.GENES:
            return (self.learn(source, start, seed, gene),)
        return (self.trained(source, seed),) if start in starts.FROM_MODEL else ()

    def tune(self, data, start, depth, epochs, seed, source=None, recipe="", gene=""):
        needs = self.before(start, source or data, seed, gene)
        source = source if needs and source else data
        return self.add(Run("tune", data, start, source, depth, epochs, seed, needs, recipe, gene))

    def grow(self, data, start, depth, epochs, seed):
        return self.add(Run("grow", data, start, data, depth, epochs, seed, self.before(start, data, seed)))

    def score(self, data, start, seed):
        return self.add(Run("score", data, start, data, 0, 0, seed, self.before(start, data, seed)))

    # ---- the claims, letters as in docs/experiments.md ----

    def half_the_training(self, seed, depths):
        """a, f, and c from their logs"""
        s = self.settings
        for depth in depths:
            self.tune("cifar10", "gene2", depth, s["epochs"], seed)
            self.tune("cifar10", "random", depth, s["epochs"], seed)
            self.tune("cifar10", "random", depth, 2 * s["epochs"], seed)
            for epochs in s["few_epochs"]:
                self.tune("cifar10", "gene2", depth, epochs, seed)
        self.score("cifar10", "gene2", seed)

    def other_starts(self, seed, depths):
        """b, and the unconstrained half of e"""
        for name in self.settings["compared"]:
            for depth in depths:
                self.tune("cifar10", name, depth, self.settings["compare_epochs"], seed)
            if name in starts.GENES:
                self.score("cifar10", name, seed)

    def constrained(self, seed, depths):
        """e"""
        for name in ("gene2", "gene4", "gene1", "gene3"):
            for depth in depths:
                self.grow("cifar10", name, depth, self.settings["compare_epochs"], seed)

    def of_equal_bytes(self, seed, depths):
        """e, with a gene of K = 2 that stores as much as one of more tensors: its layers are wider."""
        for depth in depths:
            self.tune("cifar10", "gene2", depth, self.settings["compare_epochs"], seed, recipe="wide", gene="wide")

    def transfer(self, seed, depths, targets):
        """d"""
        s = self.settings
        for target in targets:
            for name in s["transferred"]:
                for depth in depths:
                    if same_start(name, depth, s) == name:
                        self.tune(target, name, depth, s["compare_epochs"], seed, s["source"])

    def other_source(self, seed, depths):
        """d, with the gene of b: whether one of other pictures, learned for longer, is the better one to tune."""
        s = self.settings
        for target in s["targets"][:2]:
            for depth in depths:
                self.tune(target, "gene2", depth, s["compare_epochs"], seed, "cifar10")

    def longer_transfer(self, seed, depth):
        """d, tuned for longer: whether a start still matters then."""
        s = self.settings
        for name in s["transferred_longer"]:
            self.tune(s["targets"][0], name, depth, 2 * s["epochs"], seed, s["source"])

    def other_genes(self, seed, depths):
        """Whether a gene of more tensors would change a's answer; and one that learned for longer, untuned."""
        self.learn("cifar10", "gene2", seed, "long")
        for depth in depths:
            self.tune("cifar10", "gene4", depth, self.settings["epochs"], seed)
        self.score("cifar10", "gene4", seed)

    def rates(self, seed, depth):
        """Whether another learning rate would change a's answer."""
        for recipe in self.settings["rates"]:
            for start in ("gene2", "random"):
                self.tune("cifar10", start, depth, self.settings["epochs"], seed, recipe=recipe)

    def reasons(self, seed, depth):
        """Whether half the training would do if gene and models learned in other ways."""
        epochs = self.settings["epochs"]
        for gene, recipe in self.settings["reasons"]:
            self.tune("cifar10", "gene2", depth, epochs, seed, recipe=recipe, gene=gene)
            self.tune("cifar10", "random", depth, 2 * epochs, seed, recipe=recipe)

    def as_in_the_paper(self, seed, depths):
        """a, with a gene that is learned at one depth from a teacher alone, and models that learn from labels alone."""
        for depth in depths:
            self.tune("cifar10", "gene2", depth, self.settings["epochs"], seed, recipe="labels", gene="teacher")
            self.tune("cifar10", "random", depth, 2 * self.settings["epochs"], seed, recipe="labels")


def same_start(start, depth, settings):
    """The start that stands for this one: cut at its own depth a model is whole, as it is with all of its layers copied."""
    return "copied" if start == "cut" and depth == max(settings["depths"]) else start


def source_of(start, target, settings):
    """Where what a transfer starts from was learned: for what starts from numbers alone the target, as its runs say."""
    return settings["source"] if start in starts.GENES or start in starts.FROM_MODEL else target


def middle_depth(settings):
    """Where what is compared at one depth alone is compared."""
    return settings["depths"][len(settings["depths"]) // 2]


def make(settings):
    """{name: Run}, in the order in which they run; what a run needs stands before it."""
    planner, depths, targets = Planner(settings), settings["depths"], settings["targets"]
    first, *others = settings["seeds"]
    compared, *others_compared = settings["compared_seeds"]
    middle = [middle_depth(settings)]
    planner.half_the_training(first, middle)
    planner.half_the_training(first, depths[::-1])
    planner.other_starts(compared, middle)
    planner.transfer(first, middle, targets[:1])
    planner.constrained(compared, middle)
    for seed in others:
        planner.half_the_training(seed, depths)
    for seed in others_compared:
        planner.other_starts(seed, middle)
    planner.other_starts(compared, depths)
    planner.transfer(first, depths, targets[:1])
    planner.transfer(first, middle, targets[1:])
    planner.rates(first, middle[0])
    planner.other_genes(first, depths[::-1])
    planner.reasons(compared, max(depths))
    for seed in settings["compared_seeds"]:
        planner.as_in_the_paper(seed, depths)
    for seed in settings["compared_seeds"]:
        planner.of_equal_bytes(seed, depths)
    for seed in others:
        planner.transfer(seed, depths, targets[:1])
    for seed in others_compared:
        planner.other_starts(seed, depths)
    for seed in settings["compared_seeds"]:
        planner.constrained(seed, depths)
    for seed in settings["seeds"]:
        planner.transfer(seed, depths, targets)
        planner.longer_transfer(seed, middle[0])
    for seed in settings["compared_seeds"]:
        planner.other_source(seed, depths)
    return planner.runs


def smallest(settings):
    """The runs that `paper.py smallest` repeats: the shallowest models of the transfer, and the gene that one of them starts from."""
    planner = Planner(settings)
    for name in ("random", "mimetic", "gene2"):
        planner.tune(settings["targets"][0], name, min(settings["depths"]), settings["compare_epochs"], settings["seeds"][0],
                     settings["source"])
    return planner.runs


def mean_depth(run, settings):
    """Layers of a step, its passes together."""
    if run.depth:
        return run.depth
    low, _, high = by_recipe(settings, run.recipe)["gene_depths"].partition("-")
    return (int(low) + int(high or low)) * (1.5 if "--sandwich" in settings["learn"] else 0.5)


def layer_passes(run, settings):
    """Pictures times layers, forward and backward; a scoring has a third of that for each picture."""
    if run.kind == "score":
        return 5000 * sum(settings["score_depths"]) / 3
    return settings["datasets"][run.data]["images"] * run.epochs * mean_depth(run, settings)


def seconds(run, settings, rate):
    """At `rate` layer passes a second; each epoch ends with a validation of 5,000 pictures."""
    validated = 0 if run.kind == "score" else 5000 / 3 * run.epochs * mean_depth(run, settings)
    return (layer_passes(run, settings) + validated) / rate + 2
