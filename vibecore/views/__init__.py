"""What is shown, without widgets: tables, cards, charts, reports, the glossary."""
