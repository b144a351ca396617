"""Print the tables of the model card and the README from the stored results, to be pasted there.

python tests/benchmarks/card_tables.py
"""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results"


def percent(value: float) -> str:
    """Write a share in [0, 1] as a percentage."""
    return f"{100 * value:.1f} %"


def main() -> None:
    """Print PublicTest's figures, recall of each class, stages of the plan, and seeds."""
    rows = json.loads((RESULTS / "shipped.json").read_text())["rows"]
    plan = json.loads((RESULTS / "accelerator_plan.json").read_text())
    print("| weights | labels | views | accuracy | interval | macro-F1 | without twins | twins | calibration error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        low, high = row["interval"]
        print(
            f"| `{row['weights']}` | {row['labels']} ({row['images']:,} images) | {row['views']} | "
            f"{percent(row['accuracy'])} | "
            f"{percent(low)} to {percent(high)} | {percent(row['macro_f1'])} | {percent(row['without_twins'])} | "
            f"{percent(row['with_twins'])} of {row['twins']} | {row['ece']:.3f} |"
        )
    classes = list(rows[0]["recall"])
    print("\n| weights | labels | " + " | ".join(classes) + " |\n| --- | --- |" + " --- |" * len(classes))
    for row in rows:
        if row["views"] == "single":
            recall = " | ".join(f"{100 * value:.0f}" for value in row["recall"].values())
            print(f"| `{row['weights']}` | {row['labels']} | {recall} |")
    print("\n| shape, held-out tenth | parameters | multiply-adds | epochs | one view | mirror |\n|" + " --- |" * 6)
    for row in plan["shapes"]:
        size = f"{row['parameters']:,} | {row['multiply_adds'] / 1e6:.0f} M | {row['epochs']}"
        print(f"| {row['name']} | {size} | {percent(row['single'])} | {percent(row['mirror'])} |")
    print("\n| student, held-out tenth | epochs | one view | mirror | loss | zoomed by 0.75 | 0.9 | 1.1 | 1.3 |")
    print("|" + " --- |" * 9)
    for row in plan["students"]:
        zooms = " | ".join(percent(value) for value in row["zoomed"].values())
        scores = f"{percent(row['single'])} | {percent(row['mirror'])} | {row['loss']:.3f}"
        print(f"| {row['name']} | {row['epochs']} | {scores} | {zooms} |")
    print("\n| seed, PublicTest | single | flip | ten | without twins, single | flip | ten |\n|" + " --- |" * 7)
    for row in plan["final"]:
        keys = ("single", "flip", "ten", "single without twins", "flip without twins", "ten without twins")
        print(f"| {row['seed']} | " + " | ".join(percent(row["public_test"][key]) for key in keys) + " |")


if __name__ == "__main__":
    main()
