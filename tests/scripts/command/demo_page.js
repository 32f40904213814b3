/* Looks at the page that it stands in as a reader on this screen does, and tells the frame around it: "390 wide, 0 dark: fine", or
 * what is wrong. Kept out of the page itself: demo_page.sh puts it into a copy. */
addEventListener("load", function () {
    var complaints = [], all = Array.from(document.querySelectorAll("body *"));
    function complain(what) { complaints.push(what); }
    function name(e) { return e.tagName.toUpperCase() + " " + (e.textContent || "").trim().slice(0, 24); }
    function hidden(e) { return e.closest(".aside, script, title") || e.getClientRects().length === 0; }
    document.querySelectorAll("details").forEach(function (e) { e.open = true; });

    if (document.documentElement.scrollWidth > innerWidth)
        complain("scrolls sideways: " + document.documentElement.scrollWidth);
    all.forEach(function (e) {
        var box = e.getBoundingClientRect();
        if (!hidden(e) && (box.right > innerWidth + 0.5 || box.left < -0.5))
            complain("sticks out: " + name(e));
    });

    /* Letters of a chart lie inside it and not on each other; two pixels of a line's height are air. */
    document.querySelectorAll("svg[role=img]").forEach(function (svg) {
        var frame = svg.getBoundingClientRect(), texts = Array.from(svg.querySelectorAll("text"));
        var boxes = texts.map(function (e) { return e.getBoundingClientRect(); });
        boxes.forEach(function (a, i) {
            if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
                complain("outside its chart: " + name(texts[i]));
            boxes.slice(i + 1).forEach(function (b, j) {
                if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
                    complain("one on the other: " + name(texts[i]) + ", " + name(texts[i + 1 + j]));
            });
        });
    });

    all.forEach(function (e) {
        if (e.tagName === "IMG" && !(e.complete && e.naturalWidth > 0 && e.alt))
            complain("no picture: " + name(e));
    });
    var level = 0;
    document.querySelectorAll("h1, h2, h3, h4, h5, h6").forEach(function (e) {
        var mine = Number(e.tagName[1]);
        if (mine > level + 1 || (mine === 1 && level !== 0))
            complain("heading " + mine + " after " + level);
        level = mine;
    });

    /* WCAG's contrast of 4.5 between letters and what is painted behind them; in a chart letters may lie on the shape before them. */
    var brush = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    function painted(colours) {
        colours.forEach(function (colour) {
            brush.fillStyle = colour;
            brush.fillRect(0, 0, 1, 1);
        });
        var light = Array.from(brush.getImageData(0, 0, 1, 1).data).slice(0, 3).map(function (v) {
            return v <= 10 ? v / 255 / 12.92 : Math.pow((v / 255 + 0.055) / 1.055, 2.4);
        });
        return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    }
    all.forEach(function (e) {
        var letters = Array.from(e.childNodes).some(function (n) { return n.nodeType === 3 && n.data.trim(); });
        if (!letters || hidden(e))
            return;
        var style = getComputedStyle(e), behind = [];
        for (var up = e; up; up = up.parentElement)
            behind.unshift(getComputedStyle(up).backgroundColor);
        if (e.classList.contains("inside"))
            behind.push(getComputedStyle(e.previousElementSibling).fill);
        var a = painted(behind), b = painted([e.tagName === "text" ? style.fill : style.color]);
        if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
            complain("hard to read: " + name(e));
    });

    var dark = matchMedia("(prefers-color-scheme: dark)").matches ? 1 : 0;
    parent.postMessage(innerWidth + " wide, " + dark + " dark: " + (complaints.join("; ") || "fine"), "*");
});
